/** What commands on one key share: the key is argument 1, and its slot names the shard. */
import { encodeKeyCommand, type Op } from '../../kv/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey } from './command-spec.js';

/** Sends the command in `scratch` to the shard of the key. */
export function submitForKey(c: CommandContext): void {
  const { args } = c;
  c.submit(slotOfKey(args.bytes, args.start(1), args.end(1)), 1);
}

/** Sends a command that has the key and no other operand. */
export function runKeyCommand(c: CommandContext, op: Op): void {
  if (!checkKey(c, 1)) return;
  const { args } = c;
  encodeKeyCommand(c.server.scratch, op, args.bytes, args.start(1), args.end(1));
  submitForKey(c);
}
