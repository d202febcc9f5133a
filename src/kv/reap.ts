/** The internal command by which a leader has expired items dropped on all replicas alike. */
import type { ByteReader, ByteWriter } from '../base/index.js';
import { beginMany, Op } from './command.js';
import { malformed } from './operands.js';
import type { ItemName } from './table.js';

const NAME_BYTES = 16;

export function encodeReap(w: ByteWriter, items: readonly ItemName[]): void {
  beginMany(w, Op.reap, items.length);
  for (const item of items) {
    w.u64(item.hash);
    w.u64(item.version);
  }
}

/**
 * Reads a list of names to the command's end, for its form alone: what is no list, or no safe integer, is refused
 * before anything is dropped. Returns their count, the reader back at the first.
 */
export function readItemNames(reader: ByteReader, what: string): number {
  const count = reader.u32();
  if (count * NAME_BYTES !== reader.remaining) throw malformed(`${what} of ${count}`);
  const start = reader.position;
  for (let i = 0; i < 2 * count; i++) reader.u64();
  reader.position = start;
  return count;
}
