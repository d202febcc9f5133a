/**
 * The measured process: child.ts CASE KEYS SHARDS EXPIRY(0|1). Runs with --expose-gc. Nothing is allocated in the loops but
 * by what is measured, so that the collector's own room doesn't count.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { CompactTable } from '../../../src/kv/compact-table.js';
import { Item } from '../../../src/kv/item.js';
import { KeyHasher } from '../../../src/kv/key-hash.js';
import { EXPIRY_SPREAD_MS, KEY_BYTES, overheadBytes, VALUE_BYTES, writeKey } from './cases.js';
import type { MemoryFigures, SpeedFigures, StepFigures } from './cases.js';

const WARM_UP_KEYS = 30_000;
const ROUNDS_MAX = 30;
const NOISE_BYTES = 128 * 1024;
const NOW_MS = 1_800_000_000_000;

const [kind = '', keyWords = '', shardWords = '1', expiryWords = '0'] = process.argv.slice(2);
const keyCount = Number(keyWords);
const shardCount = Number(shardWords);
const hasExpiry = expiryWords === '1';
const key = new Uint8Array(KEY_BYTES);
const keyText = Buffer.from(key.buffer);
const value = new Uint8Array(VALUE_BYTES).fill(7);
const out = new Uint8Array(VALUE_BYTES);
let random = 1;

async function run(): Promise<MemoryFigures | SpeedFigures | StepFigures> {
  switch (kind) {
    case 'table':
      return measureMemory(new Tables());
    case 'map':
      return measureMemory(new PlainMap());
    case 'table-speed':
      return measureSpeed(new Tables());
    case 'map-speed':
      return measureSpeed(new PlainMap());
    default:
      return measureSteps();
  }
}

interface Store {
  set(n: number): void;
  get(n: number): void;
  remove(n: number): void;
  clear(): void;
  tidy(): void;
  readonly countedBytes: number;
}

async function measureMemory(store: Store): Promise<MemoryFigures> {
  warmUp(store);
  const before = await residentBytes();
  for (let n = 0; n < keyCount; n++) store.set(n);
  const fresh = await residentBytes();
  const countedFresh = store.countedBytes;
  for (let i = 0; i < keyCount; i++) store.set(nextBelow(keyCount));
  for (let n = 0; n < keyCount; n += 5) store.remove(n);
  store.tidy();
  const used = await residentBytes();
  const left = keyCount - Math.ceil(keyCount / 5);
  return {
    freshBytes: overheadBytes(fresh - before, keyCount),
    usedBytes: overheadBytes(used - before, left),
    countedFreshBytes: overheadBytes(countedFresh, keyCount),
    countedUsedBytes: overheadBytes(store.countedBytes, left),
  };
}

function measureSpeed(store: Store): SpeedFigures {
  warmUp(store);
  const fillNs = nanoseconds(() => {
    for (let n = 0; n < keyCount; n++) store.set(n);
  });
  const getNs = nanoseconds(() => {
    for (let i = 0; i < keyCount; i++) store.get(nextBelow(keyCount));
  });
  const setNs = nanoseconds(() => {
    for (let i = 0; i < keyCount; i++) store.set(nextBelow(keyCount));
  });
  return { fillNs, getNs, setNs };
}

function measureSteps(): StepFigures {
  const tables = new Tables();
  warmUp(tables);
  const steps: Record<string, { cpuMs: number; wallMs: number }> = {};
  const longest = (name: string, count: number, step: (n: number) => void): void => {
    let cpuMs = 0;
    let wallMs = 0;
    for (let n = 0; n < count; n++) {
      const cpuBefore = process.cpuUsage();
      const before = performance.now();
      step(n);
      const tookMs = performance.now() - before;
      if (tookMs > wallMs) wallMs = tookMs;
      if (tookMs < 0.05) continue; // asking costs more than the step
      const cpu = process.cpuUsage(cpuBefore);
      cpuMs = Math.max(cpuMs, (cpu.user + cpu.system) / 1000);
    }
    steps[name] = { cpuMs, wallMs };
  };
  longest('growth', keyCount, (n) => tables.set(n));
  longest('compaction', Math.min(keyCount, 2_000_000), () => tables.set(nextBelow(keyCount)));
  longest('freeze', 20, () => tables.freeze());
  longest('deletion', Math.ceil(keyCount / 5), (n) => tables.remove(n * 5));
  longest('tidying', 20_000, () => void tables.maintain());
  longest('expiry', 1000, (n) => tables.due(n));
  longest('clear', 1, () => tables.clear());
  longest('growth after clear', 100_000, (n) => tables.set(n));
  return steps;
}

function warmUp(store: Store): void {
  const count = Math.min(WARM_UP_KEYS, keyCount);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < count; n++) store.set(n);
    for (let n = 0; n < count; n++) store.get(n);
    for (let n = 0; n < count; n++) store.set(nextBelow(count));
    for (let n = 0; n < count; n++) store.remove(n);
    store.tidy();
  }
  store.clear();
  store.tidy();
}

/** CPU time, since other work on the machine doesn't count in it. */
function nanoseconds(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / keyCount;
}

/** After collections, until three of them in turn free nothing any more: start-up leaves megabytes that go late. */
async function residentBytes(): Promise<number> {
  let least = Infinity;
  for (let round = 0, same = 0; round < ROUNDS_MAX && same < 3; round++) {
    globalThis.gc?.();
    await sleep(150);
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
    const bytes = Number(line?.[1]) * 1024;
    same = bytes > least - NOISE_BYTES ? same + 1 : 0;
    least = Math.min(least, bytes);
  }
  return least;
}

/** xorshift32. */
function nextBelow(limit: number): number {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return (random >>> 0) % limit;
}

class Tables implements Store {
  private readonly hasher = new KeyHasher(42);
  private readonly tables = Array.from({ length: shardCount }, () => new CompactTable(this.hasher));
  private readonly item = new Item();
  private readonly found = new Item();
  private version = 0;

  set(n: number): void {
    const { item } = this;
    writeKey(key, n);
    item.hash = this.hasher.hash(key, 0, KEY_BYTES);
    item.version = ++this.version;
    item.expiryMs = hasExpiry ? NOW_MS + ((n * 7919) % EXPIRY_SPREAD_MS) : 0;
    item.setKey(key, 0, KEY_BYTES);
    item.setValue(value, 0, VALUE_BYTES);
    this.tableOf(n).put(item);
  }

  get(n: number): void {
    writeKey(key, n);
    const { found } = this;
    if (!this.tableOf(n).find(this.hasher.hash(key, 0, KEY_BYTES), key, 0, KEY_BYTES, found))
      throw new Error(`key ${n} is not there`);
    for (let i = 0; i < VALUE_BYTES; i++) out[i] = found.valueBytes[found.valueStart + i] as number;
  }

  remove(n: number): void {
    writeKey(key, n);
    const table = this.tableOf(n);
    const { found } = this;
    if (table.find(this.hasher.hash(key, 0, KEY_BYTES), key, 0, KEY_BYTES, found)) table.remove(found);
  }

  clear(): void {
    for (const table of this.tables) table.clear();
  }

  tidy(): void {
    this.found.forget();
    for (const table of this.tables) while (table.maintain(200));
  }

  maintain(): boolean {
    return this.tables.some((table) => table.maintain(200));
  }

  freeze(): void {
    for (const table of this.tables) table.freeze().release();
  }

  due(portion: number): void {
    const table = this.tables[portion % shardCount] as CompactTable;
    table.due(NOW_MS + (EXPIRY_SPREAD_MS * portion) / 1000, 256);
  }

  get countedBytes(): number {
    return this.tables.reduce((sum, table) => sum + table.memoryBytes, 0);
  }

  private tableOf(n: number): CompactTable {
    return this.tables[n % shardCount] as CompactTable;
  }
}

/** What a program without a table of its own would do: a string for each key, a Buffer for each value. */
class PlainMap implements Store {
  readonly countedBytes = 0;
  private readonly map = new Map<string, Buffer>();

  set(n: number): void {
    writeKey(key, n);
    this.map.set(keyText.toString('latin1'), Buffer.from(value));
  }

  get(n: number): void {
    writeKey(key, n);
    const found = this.map.get(keyText.toString('latin1'));
    if (found === undefined) throw new Error(`key ${n} is not there`);
    for (let i = 0; i < VALUE_BYTES; i++) out[i] = found[i] as number;
  }

  remove(n: number): void {
    writeKey(key, n);
    this.map.delete(keyText.toString('latin1'));
  }

  clear(): void {
    this.map.clear();
  }

  tidy(): void {
    // A Map has nothing to tidy up: the collector does it.
  }
}

console.log(JSON.stringify(await run()));
