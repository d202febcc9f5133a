/**
 * What the table knows of a command, and small readers of arguments that all commands share.
 */
import { KEY_BYTES_MAX } from '../../kv/index.js';
import type { CacheUse } from '../front-end-metrics.js';
import type { CommandContext } from './command-context.js';
import type { Arguments } from './parser.js';
import type { Shape } from './result-encoder.js';

export interface CommandSpec {
  /** In lower case. */
  readonly name: string;
  /** As Redis counts, name included: exactly n, or at least -n. */
  readonly arity: number;
  readonly flags: readonly string[];
  /** First key, last key (negative: from the end) and step among the arguments; zeros for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly group: 'string' | 'generic' | 'server' | 'connection' | 'cluster';
  readonly since: string;
  readonly complexity: string;
  readonly summary: string;
  readonly shape: Shape;
  readonly cache: CacheUse;
  readonly run: (c: CommandContext) => void;
}

/** Texts that more than one command gives. */
export const SYNTAX_ERROR = 'ERR syntax error';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';

export function wrongArityText(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** Whether argument `index` is `word` (in lower case), in any case. */
export function isWord(args: Arguments, index: number, word: string): boolean {
  const start = args.start(index);
  if (args.end(index) - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (lower(args.bytes[start + i] as number) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** ASCII upper case to lower case; other bytes as they are. */
export function lower(c: number): number {
  return c >= 65 && c <= 90 ? c | 32 : c;
}

/** Argument `index`, a character for each byte, cut at `bytesMax`. For names and error texts. */
export function textOf(args: Arguments, index: number, bytesMax = 128): string {
  const start = args.start(index);
  const end = Math.min(args.end(index), start + bytesMax);
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(args.bytes[i] as number);
  return text;
}

/** False, and the error replied, when argument `index` is too long to be a key. */
export function checkKey(c: CommandContext, index: number): boolean {
  if (c.args.end(index) - c.args.start(index) <= KEY_BYTES_MAX) return true;
  c.replyError(`ERR key is longer than ${KEY_BYTES_MAX} bytes`);
  return false;
}

/** False, and the error replied, when argument `index` is too long to be a value. */
export function checkValue(c: CommandContext, index: number): boolean {
  const bytesMax = c.server.valueBytesMax;
  if (c.args.end(index) - c.args.start(index) <= bytesMax) return true;
  c.replyError(`ERR value is longer than ${bytesMax} bytes`);
  return false;
}
