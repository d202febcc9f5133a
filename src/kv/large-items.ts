/**
 * Items of more than a few kilobytes: each has bytes of its own, found by number in a directory. They keep their
 * digest, since removing one must not cost a second pass over megabytes.
 *
 * The directory is cut into parts. `freeze` takes the list of parts; a part that a view may hold is copied before its
 * first change. Records never change, but for the touches.
 */
import { assert } from '../base/index.js';
import type { Digest } from './digest.js';
import type { Item } from './item.js';

const PART_BITS = 8;
const PART_ITEMS = 2 ** PART_BITS;
/** Numbers are below this. */
export const LARGE_ITEMS_MAX = 2 ** 28;

export class LargeItem {
  touches = 0;

  constructor(
    readonly version: number,
    readonly expiryMs: number,
    /** Key and value. */
    readonly bytes: Uint8Array,
    readonly keyLength: number,
    readonly digestA: number,
    readonly digestB: number,
  ) {}
}

interface Part {
  readonly items: (LargeItem | null)[];
  /** Freezes up to which a view may hold the items. */
  readonly epoch: number;
}

export class LargeItems {
  count = 0;
  contentBytes = 0;
  /** Bytes of items that were removed, but stand in a frozen view; of two views, in both. */
  pinnedBytes = 0;
  private readonly views: FrozenLargeItems[] = [];
  private epoch = 0;
  private parts: Part[] = [];
  private free: number[] = [];

  add(item: Item, digest: Digest, touches: number): number {
    const keyLength = item.keyEnd - item.keyStart;
    const bytes = new Uint8Array(keyLength + item.valueEnd - item.valueStart);
    bytes.set(item.keyBytes.subarray(item.keyStart, item.keyEnd));
    bytes.set(item.valueBytes.subarray(item.valueStart, item.valueEnd), keyLength);
    const large = new LargeItem(item.version, item.expiryMs, bytes, keyLength, digest.a, digest.b);
    large.touches = touches;
    let number = this.free.pop();
    if (number === undefined) {
      number = this.parts.length * PART_ITEMS;
      assert(number < LARGE_ITEMS_MAX, 'too many large items');
      this.parts.push({ items: new Array<LargeItem | null>(PART_ITEMS).fill(null), epoch: this.epoch });
      for (let i = PART_ITEMS - 1; i > 0; i--) this.free.push(number + i);
    }
    this.own(number)[number & (PART_ITEMS - 1)] = large;
    this.count++;
    this.contentBytes += bytes.length;
    return number;
  }

  at(number: number): LargeItem {
    const item = this.parts[number >>> PART_BITS]?.items[number & (PART_ITEMS - 1)];
    assert(item, 'a large item is not there');
    return item;
  }

  remove(number: number): void {
    const item = this.at(number);
    this.contentBytes -= item.bytes.length;
    for (const view of this.views) {
      if (view.keep(number, item)) this.pinnedBytes += item.bytes.length;
    }
    this.own(number)[number & (PART_ITEMS - 1)] = null;
    this.count--;
    this.free.push(number);
  }

  freeze(): FrozenLargeItems {
    this.epoch++;
    const view = new FrozenLargeItems(
      this.parts.map((part) => part.items),
      (bytes, isOver) => {
        this.pinnedBytes -= bytes;
        if (isOver) this.views.splice(this.views.indexOf(view), 1);
      },
    );
    this.views.push(view);
    return view;
  }

  private own(number: number): (LargeItem | null)[] {
    const index = number >>> PART_BITS;
    const part = this.parts[index] as Part;
    if (part.epoch === this.epoch) return part.items;
    const items = part.items.slice();
    this.parts[index] = { items, epoch: this.epoch };
    return items;
  }
}

export class FrozenLargeItems {
  private part = 0;
  private index = 0;
  /** By part, bytes that were removed since and are kept for this view. */
  private readonly keptBytes: number[] = [];
  private isOver = false;

  constructor(
    private readonly parts: (readonly (LargeItem | null)[] | null)[],
    /** So many bytes are kept no more; and whether the view is at its end. */
    private readonly onPassed: (bytes: number, isOver: boolean) => void,
  ) {}

  /** The item is about to be removed: whether this view still has to show it. */
  keep(number: number, item: LargeItem): boolean {
    const part = number >>> PART_BITS;
    if (this.parts[part]?.[number & (PART_ITEMS - 1)] !== item) return false;
    this.keptBytes[part] = (this.keptBytes[part] ?? 0) + item.bytes.length;
    return true;
  }

  next(into: Item): boolean {
    for (; this.part < this.parts.length; this.part++, this.index = 0) {
      const items = this.parts[this.part] as readonly (LargeItem | null)[];
      while (this.index < items.length) {
        const large = items[this.index++];
        if (!large) continue;
        viewLarge(large, into);
        return true;
      }
      this.parts[this.part] = null; // what was read is no longer kept alive
      this.onPassed(this.keptBytes[this.part] ?? 0, false);
      this.keptBytes[this.part] = 0;
    }
    this.release();
    return false;
  }

  release(): void {
    if (this.isOver) return;
    this.isOver = true;
    let bytes = 0;
    for (const kept of this.keptBytes) bytes += kept ?? 0;
    this.parts.length = 0;
    this.onPassed(bytes, true);
  }
}

/** Fills the view, all but the hash. */
export function viewLarge(large: LargeItem, into: Item): void {
  into.version = large.version;
  into.expiryMs = large.expiryMs;
  into.touches = large.touches;
  into.setKey(large.bytes, 0, large.keyLength);
  into.setValue(large.bytes, large.keyLength, large.bytes.length);
}
