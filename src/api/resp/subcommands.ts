/** Commands with subcommands (CLIENT, CONFIG, COMMAND): choosing one, and Redis' errors when there is none. */
import type { CommandContext } from './command-context.js';
import { isWord, textOf, wrongArityText } from './command-spec.js';
import { unservedText } from './unserved-commands.js';

export interface Subcommand {
  /** In lower case. */
  readonly name: string;
  /** Counted as for commands, with both names. */
  readonly arity: number;
  readonly run: (c: CommandContext) => void;
}

export function fitsArity(arity: number, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

/** Runs the subcommand that argument 1 names; `unserved` are those that only Redis has. */
export function runSubcommand(
  c: CommandContext,
  command: string,
  served: readonly Subcommand[],
  unserved: readonly string[],
): void {
  for (const subcommand of served) {
    if (!isWord(c.args, 1, subcommand.name)) continue;
    if (fitsArity(subcommand.arity, c.args.count)) return subcommand.run(c);
    return c.replyError(wrongArityText(`${command}|${subcommand.name}`));
  }
  for (const name of unserved) {
    if (isWord(c.args, 1, name)) return c.replyError(unservedText(`${command}|${name}`));
  }
  const asked = textOf(c.args, 1);
  c.replyErrorBytes(`ERR unknown subcommand '${asked}'. Try ${command.toUpperCase()} HELP.`);
}
