/** The internal command by which a leader has expired items dropped on all replicas alike. */
import type { ByteWriter } from '../base/index.js';
import { beginMany, Op } from './command.js';
import type { ItemName } from './table.js';

export function encodeReap(w: ByteWriter, items: readonly ItemName[]): void {
  beginMany(w, Op.reap, items.length);
  for (const item of items) {
    w.u64(item.hash);
    w.u64(item.version);
  }
}
