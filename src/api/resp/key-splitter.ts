/**
 * Groups the keys of one command by shard, keeping their order within each. One splitter serves all connections: it
 * holds the plan of the command at hand, in arrays that are used again. Linear in the keys, whatever the shards.
 */
import { assert, type Slot } from '../../base/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { CommandGateway } from '../gateway-port.js';
import type { Arguments } from './parser.js';

const KEYS_INITIAL = 64;
/** Arrays of more keys are given back after the command. */
const KEYS_KEPT_MAX = 64 * 1024;

export class KeySplitter {
  /** Keys in the command; arguments first, first + step, … */
  keyCount = 0;
  /** Parts of the plan; 0 when the shard map isn't known. */
  partCount = 0;
  /** Part of each key. */
  private part = new Int32Array(KEYS_INITIAL);
  /** The next key of the same part; -1 for the last. */
  private next = new Int32Array(KEYS_INITIAL);
  private readonly partOfShard = new Map<number, number>();
  private slot: Slot[] = [];
  private head: number[] = [];
  private last: number[] = [];
  private count: number[] = [];

  plan(gateway: CommandGateway, args: Arguments, first: number, step: number): void {
    this.reset(Math.floor((args.count - first) / step));
    for (let key = 0, at = first; key < this.keyCount; key++, at += step) {
      const slot = slotOfKey(args.bytes, args.start(at), args.end(at));
      const shard = gateway.shardOf(slot);
      if (shard < 0) {
        this.partCount = 0;
        return;
      }
      this.add(key, shard, slot);
    }
  }

  /** A slot of the part's shard. */
  slotOf(part: number): Slot {
    return this.slot[part] as Slot;
  }

  countOf(part: number): number {
    return this.count[part] as number;
  }

  /** Keys of a part, as positions in the command's list of keys: `for (k = headOf(p); k >= 0; k = nextOf(k))`. */
  headOf(part: number): number {
    return this.head[part] as number;
  }

  nextOf(key: number): number {
    return this.next[key] as number;
  }

  /** A copy of the part of each key, for putting answers in order. */
  takePartOfKey(): Int32Array {
    return this.part.slice(0, this.keyCount);
  }

  private reset(keyCount: number): void {
    this.keyCount = keyCount;
    this.partCount = 0;
    this.partOfShard.clear();
    const capacity = this.part.length;
    if (keyCount <= capacity && capacity <= KEYS_KEPT_MAX) return;
    const wanted = Math.max(keyCount, KEYS_INITIAL);
    this.part = new Int32Array(wanted);
    this.next = new Int32Array(wanted);
  }

  private add(key: number, shard: number, slot: Slot): void {
    assert(key < this.part.length, 'a key beyond the plan');
    let part = this.partOfShard.get(shard);
    if (part === undefined) {
      part = this.partCount++;
      this.partOfShard.set(shard, part);
      this.slot[part] = slot;
      this.head[part] = key;
      this.count[part] = 0;
    } else {
      this.next[this.last[part] as number] = key;
    }
    this.last[part] = key;
    this.next[key] = -1;
    this.count[part] = (this.count[part] as number) + 1;
    this.part[key] = part;
  }
}
