/** Caches in this process, as a client beside them uses them: get, and set what was missing. */
import { LRUCache } from 'lru-cache';

import { appendCommand, beginEntry, ByteReader, ByteWriter, finishEntry } from '../../../src/base/index.js';
import {
  beginSet,
  createKv,
  encodeEvict,
  encodeKeyCommand,
  encodeSetBudget,
  ExpiryKind,
  Op,
  putKey,
  putValue,
  Tag,
  type EvictionPolicy,
  type Evictor,
  type ItemName,
  type Kv,
} from '../../../src/kv/index.js';

export interface Cache {
  readonly name: string;
  /** Asks for the first `count` keys; how many were there. */
  ask(keys: Uint32Array, count: number): number | Promise<number>;
  /** Items held now. */
  size(): number | Promise<number>;
  close(): Promise<void>;
}

const KEY_BYTES = 12;
const VALUE = new Uint8Array(8).fill(0x78);

/** One shard's state machine with a budget of `room` items, led here: victims are named as a leader names them. */
export class QuorateCache implements Cache {
  readonly name: string;
  readonly kv: Kv;
  private readonly key = new Uint8Array(KEY_BYTES).fill(0x30);
  private readonly command = new ByteWriter(64);
  private readonly entry = new ByteWriter(4096);
  private readonly out = new ByteWriter(64);
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly names: ItemName[] = [];
  /** Of the entry that was applied last. */
  private index = 0;
  /** Told of each entry: a follower's state machine. */
  onEntry: (data: Uint8Array) => void = () => {};

  constructor(
    policy: Exclude<EvictionPolicy, 'none'>,
    private readonly room: number,
    seed: number,
  ) {
    this.name = `quorate ${policy}`;
    this.kv = createKv({ hashSeed: seed, valueBytesMax: 1024, firstSlot: 0, lastSlot: 16_383 });
    this.kv.setEviction(policy, seed);
    this.entry.reset();
    beginEntry(this.entry);
    this.begin();
    encodeSetBudget(this.command, { version: 1, bytesMax: 0, itemsMax: room });
    this.put();
    this.apply(1);
  }

  get evictor(): Evictor {
    if (this.kv.evictor === null) throw new Error('no evictor');
    return this.kv.evictor;
  }

  ask(keys: Uint32Array, count: number): number {
    let hits = 0;
    for (let i = 0; i < count; i++) {
      this.spell(keys[i] as number);
      if (this.get()) hits++;
      else this.set();
    }
    return hits;
  }

  /** Applies an entry of another replica that leads. */
  follow(entry: Uint8Array): void {
    this.kv.apply(++this.index, 1, entry, null);
  }

  size(): number {
    return this.kv.itemCount;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private get(): boolean {
    const { command, out, reader } = this;
    command.reset();
    encodeKeyCommand(command, Op.get, this.key);
    out.reset();
    this.kv.read(command.buffer, 0, command.length, 1, out);
    reader.reset(out.buffer, 0, out.length);
    return reader.u8() !== Tag.nil;
  }

  private set(): void {
    const { names, entry, command } = this;
    let count = 1;
    entry.reset();
    beginEntry(entry);
    const over = this.kv.itemCount + 1 - this.room;
    if (over > 0) {
      names.length = 0;
      this.evictor.choose(Number.MAX_SAFE_INTEGER, over, names);
      this.begin();
      encodeEvict(command, names);
      this.put();
      count++;
    }
    this.begin();
    beginSet(command, 0, ExpiryKind.none, 0);
    putKey(command, this.key);
    putValue(command, VALUE);
    this.put();
    this.apply(count);
  }

  private begin(): void {
    this.command.reset();
  }

  private put(): void {
    appendCommand(this.entry, this.command.buffer, 0, this.command.length);
  }

  private apply(count: number): void {
    finishEntry(this.entry, 1, count);
    const data = this.entry.buffer.subarray(0, this.entry.length);
    this.kv.apply(++this.index, 1, data, null);
    this.onEntry(data);
  }

  private spell(key: number): void {
    let rest = key;
    for (let i = KEY_BYTES - 1; i >= 0; i--) {
      this.key[i] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

/** Several shards, each with its part of the room and of the keys: what partitioning costs. */
export class ShardedCache implements Cache {
  readonly name: string;
  private readonly shards: QuorateCache[] = [];
  private readonly own: Uint32Array[] = [];

  constructor(shards: number, room: number, seed: number) {
    this.name = `${shards} shards`;
    for (let i = 0; i < shards; i++) {
      this.shards.push(new QuorateCache('s3fifo', Math.floor(room / shards), seed + i));
      this.own.push(new Uint32Array(0));
    }
  }

  ask(keys: Uint32Array, count: number): number {
    const { shards, own } = this;
    const counts = shards.map(() => 0);
    for (let i = 0; i < own.length; i++)
      if ((own[i] as Uint32Array).length < count) own[i] = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      const key = keys[i] as number;
      const shard = (Math.imul(key, 0x9e3779b1) >>> 16) % shards.length;
      (own[shard] as Uint32Array)[(counts[shard] as number)++] = key;
    }
    let hits = 0;
    for (const [i, shard] of shards.entries()) hits += shard.ask(own[i] as Uint32Array, counts[i] as number);
    return hits;
  }

  size(): number {
    let sum = 0;
    for (const shard of this.shards) sum += shard.size();
    return sum;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class NpmLruCache implements Cache {
  readonly name = 'lru-cache';
  private readonly cache: LRUCache<number, number>;

  constructor(room: number) {
    this.cache = new LRUCache({ max: room });
  }

  ask(keys: Uint32Array, count: number): number {
    let hits = 0;
    for (let i = 0; i < count; i++) {
      const key = keys[i] as number;
      if (this.cache.get(key) === undefined) this.cache.set(key, key);
      else hits++;
    }
    return hits;
  }

  size(): number {
    return this.cache.size;
  }

  close(): Promise<void> {
    this.cache.clear();
    return Promise.resolve();
  }
}
