/** A time of expiry as SET, GETEX and their like take it: EX, PX, EXAT or PXAT, and a number behind it. */
import { ExpiryKind } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { isWord, NOT_AN_INTEGER } from './command-spec.js';
import { invalidExpireText } from './error-table.js';
import { parseInteger } from './integers.js';
import { EXPIRY_MS_MAX } from './limits.js';
import type { Arguments } from './parser.js';

/** The unit, and from when. */
export const ExpireOption = { none: 0, ex: 1, px: 2, exat: 3, pxat: 4 } as const;
export type ExpireOption = (typeof ExpireOption)[keyof typeof ExpireOption];

/** What argument `index` stands for. */
export function expireOptionAt(args: Arguments, index: number): ExpireOption {
  if (isWord(args, index, 'ex')) return ExpireOption.ex;
  if (isWord(args, index, 'px')) return ExpireOption.px;
  if (isWord(args, index, 'exat')) return ExpireOption.exat;
  if (isWord(args, index, 'pxat')) return ExpireOption.pxat;
  return ExpireOption.none;
}

/** The kind of expiry (kv/command.ts) that an option gives. */
export function expiryKindOf(option: ExpireOption): number {
  switch (option) {
    case ExpireOption.none:
      return ExpiryKind.none;
    case ExpireOption.ex:
    case ExpireOption.px:
      return ExpiryKind.relative;
    case ExpireOption.exat:
    case ExpireOption.pxat:
      return ExpiryKind.absolute;
  }
}

/** The time in argument `index`, in milliseconds; 0, and the error of the command `name` replied, when it is none. */
export function readExpiryMs(c: CommandContext, index: number, option: ExpireOption, name: string): number {
  const { args } = c;
  const time = parseInteger(args.bytes, args.start(index), args.end(index));
  if (Number.isNaN(time)) {
    c.replyError(NOT_AN_INTEGER);
    return 0;
  }
  const expiryMs = option === ExpireOption.ex || option === ExpireOption.exat ? time * 1000 : time;
  if (expiryMs > 0 && expiryMs <= EXPIRY_MS_MAX) return expiryMs;
  c.replyError(invalidExpireText(name));
  return 0;
}
