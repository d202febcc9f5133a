/**
 * The wrapping of a result with its key's version (`HeaderFlag.withVersion`), so that a client that means to compare
 * later learns the version in the same round trip. `array(2) [result, int version]`, 0 for an absent key; a result of
 * tag `error` stays as it is.
 */
import { readU32, type ByteReader } from '../base/index.js';
import { HeaderFlag, Op } from './command.js';
import { malformed } from './operands.js';
import { putArray, putError, putInt, Tag, type KvError } from './result.js';
import type { Run } from './run.js';

/** Commands that name exactly one key. */
const ONE_KEY: ReadonlySet<number> = new Set<number>([
  Op.get,
  Op.ttl,
  Op.type,
  Op.getMeta,
  Op.strlen,
  Op.getRange,
  Op.expireTime,
  Op.set,
  Op.incrby,
  Op.expire,
  Op.persist,
  Op.cas,
  Op.cad,
  Op.append,
  Op.setRange,
  Op.getDel,
  Op.getEx,
  Op.incrByFloat,
]);
/** Commands that name as many as their first operand says. */
const MANY_KEYS: ReadonlySet<number> = new Set<number>([Op.exists, Op.mget, Op.del, Op.mset]);

const ARRAY_HEAD_BYTES = 5;

export function wantsVersion(bytes: Uint8Array, commandStart: number): boolean {
  return ((bytes[commandStart + 1] as number) & HeaderFlag.withVersion) !== 0;
}

/** Opens the wrapping, before the command runs; `run.reader` stands at its operands. */
export function beginVersioned(run: Run, op: number): void {
  if (!ONE_KEY.has(op) && !(MANY_KEYS.has(op) && countOf(run.reader) === 1)) {
    throw malformed(`op ${op} with a version, but not of one key`);
  }
  putArray(run.out, 2);
}

/** Closes the wrapping that was opened at `mark`, after the command ran. */
export function finishVersioned(run: Run, mark: number): void {
  const { out } = run;
  const resultAt = mark + ARRAY_HEAD_BYTES;
  if (out.buffer[resultAt] === Tag.error) {
    const error = out.buffer[resultAt + 1] as KvError;
    out.length = mark;
    putError(out, error);
  } else {
    putInt(out, run.findNamed() ? run.state.found.version : 0);
  }
}

function countOf(reader: ByteReader): number {
  return reader.remaining < 4 ? 0 : readU32(reader.buffer, reader.position);
}
