/** CLUSTER COUNTKEYSINSLOT: a walk through the keys of the shard that owns the slot, counting those of the slot. */
import type { ByteWriter, Slot } from '../../base/index.js';
import { slotOfKey } from '../../topology/index.js';
import { KeyPages } from './key-pages.js';
import { writeInt } from './reply-writer.js';

export class SlotCount extends KeyPages {
  private count = 0;

  constructor(private readonly slot: Slot) {
    super(1, null);
    this.moveTo(0, slot, 0);
  }

  get keptBytes(): number {
    return 0;
  }

  protected takeKey(bytes: Uint8Array, start: number, end: number): boolean {
    if (slotOfKey(bytes, start, end) === this.slot) this.count++;
    return true;
  }

  protected onPage(): boolean {
    return true;
  }

  protected onShardEnd(): boolean {
    return false;
  }

  protected writeReply(w: ByteWriter): void {
    writeInt(w, this.count);
  }

  protected drop(): void {
    this.count = 0;
  }
}
