/**
 * The command line: arguments in, exit code out. Usage errors are 2, whatever commander would say; failures of a
 * call print one line and no stack.
 */
import { Command, CommanderError } from 'commander';

import { EXIT_CODES, QuorateError } from '../base/index.js';
import { exitCodeOf } from './control-call.js';
import { addConfigCommand } from './config-command.js';
import { addDevCommand } from './dev/index.js';
import { addInitCommand } from './init-command.js';
import { addServerCommand } from './server-command.js';
import { addShardCommand } from './shard-command.js';
import { addStatusCommand } from './status-command.js';
import type { Terminal } from './terminal.js';
import { addUpgradeCommand } from './upgrade-command.js';

/** Runs the command that `words` (without interpreter and script) ask for. */
export async function runCommandLine(words: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0;
  const done = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('quorate')
    .description('A sharded key-value cache in which every shard is its own Raft group.')
    .version(terminal.version, '-V, --version', 'print the version')
    .showHelpAfterError('(quorate COMMAND --help shows what it accepts)')
    .allowExcessArguments(false)
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.complain(text.trimEnd()),
    })
    .exitOverride();
  addDevCommand(program, terminal, done);
  addServerCommand(program, terminal, done);
  addInitCommand(program, terminal, done);
  addStatusCommand(program, terminal, done);
  addConfigCommand(program, terminal, done);
  addShardCommand(program, terminal, done);
  addUpgradeCommand(program, terminal, done);
  try {
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage;
    if (!QuorateError.is(error)) throw error;
    terminal.complain(`quorate: ${error.message} (${error.code})`);
    return exitCodeOf(error);
  }
}
