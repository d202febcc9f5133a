/**
 * The measured process: child.mjs CASE KEYS SHARDS EXPIRY(0|1). Runs with --expose-gc, on the
 * compiled code: a loader of TypeScript keeps megabytes that come and go. Nothing is allocated in the loops but
 * by what is measured, so that the collector's own room doesn't count.
 */
import { readFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { CompactTable } from '../../../dist/src/kv/compact-table.js';
import { Item } from '../../../dist/src/kv/item.js';
import { KeyHasher } from '../../../dist/src/kv/key-hash.js';

// As in cases.ts, which this process must not load.
const KEY_BYTES = 16;
const VALUE_BYTES = 32;
/** Of keys with an expiry: the range that they are spread over. */
const EXPIRY_SPREAD_MS = 86_400_000;

const WARM_UP_KEYS = 30_000;
/** A kind of step is measured for so long at most, but for the growth that makes the table. */
const PHASE_MS_MAX = 20_000;
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

async function run() {
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

async function measureMemory(store) {
  warmUp(store);
  const before = await residentBytes();
  for (let n = 0; n < keyCount; n++) store.set(n);
  const fresh = await residentBytes();
  const countedFresh = store.countedBytes;
  for (let i = 0; i < keyCount; i++) store.set(nextBelow(keyCount));
  for (let n = 0; n < keyCount; n += 5) store.remove(n);
  const busy = await residentBytes();
  store.tidy();
  const used = await residentBytes();
  const left = keyCount - Math.ceil(keyCount / 5);
  return {
    freshBytes: overheadBytes(fresh - before, keyCount),
    usedBytes: overheadBytes(used - before, left),
    busyBytes: overheadBytes(busy - before, left),
    countedFreshBytes: overheadBytes(countedFresh, keyCount),
    countedUsedBytes: overheadBytes(store.countedBytes, left),
  };
}

function measureSpeed(store) {
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

/**
 * One operation at a time. A step during which the collector ran shows apart, as it isn't the table's; a step that the
 * system interrupted (its clock is far ahead of its CPU time) can't be told, so the count of those above 1 ms is told too.
 */
async function measureSteps() {
  const tables = new Tables();
  warmUp(tables);
  warmUp(tables);
  const steps = {};
  let name = '';
  let collected = [];
  const observer = new PerformanceObserver((list) => {
    for (const each of list.getEntries()) collected.push([each.startTime, each.startTime + each.duration]);
  });
  observer.observe({ entryTypes: ['gc'] });
  const longest = async (what, countMax, step, msMax = PHASE_MS_MAX) => {
    name = what;
    const long = [];
    collected = [];
    const endMs = performance.now() + msMax;
    let count = 0;
    for (let n = 0; n < countMax; n++) {
      const cpuBefore = process.cpuUsage();
      const before = performance.now();
      const isOver = step(n) === false;
      const after = performance.now();
      if (isOver || after > endMs) break;
      count++;
      if (after - before < 0.2) continue;
      const { user, system } = process.cpuUsage(cpuBefore);
      long.push({ n, before, after, cpuMs: (user + system) / 1000 });
    }
    await sleep(50); // for the observer
    const own = [];
    let withCollection = 0;
    for (const each of long) {
      if (collected.some(([from, to]) => from < each.after && to > each.before))
        withCollection = Math.max(withCollection, each.after - each.before);
      else own.push(each);
    }
    // The clock counts other processes, the CPU time this one's other threads: the least of both is nearest.
    const took = own.map((each) => Math.min(each.after - each.before, each.cpuMs)).sort((a, b) => b - a);
    steps[name] = {
      ms: took[0] ?? 0,
      second: took[1] ?? 0,
      above: took.filter((ms) => ms >= 1).length,
      wallMs: own.reduce((most, each) => Math.max(most, each.after - each.before), 0),
      withCollection,
      count,
    };
  };
  await longest('growth', keyCount, (n) => tables.set(n), Infinity);
  await longest('overwriting', Math.min(keyCount, 3_000_000), () => tables.set(nextBelow(keyCount)));
  await longest('reading', Math.min(keyCount, 1_000_000), () => tables.get(nextBelow(keyCount)));
  await longest('freeze', 20, () => tables.freeze());
  await longest('deletion', Math.ceil(keyCount / 5), (n) => tables.remove(n * 5));
  await longest('tidying', 300_000, () => tables.maintain());
  await longest('expiry', 2000, (n) => tables.due(n));
  await longest('clear', 1, () => tables.clear());
  await longest('growth after clear', Math.min(keyCount, 1_000_000), (n) => tables.set(n));
  observer.disconnect();
  return steps;
}

function warmUp(store) {
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
function nanoseconds(run) {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / keyCount;
}

/** After collections, until three of them in turn free nothing any more: start-up leaves megabytes that go late. */
async function residentBytes() {
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

function writeKey(into, n) {
  let rest = n;
  into.set([0x6b, 0x65, 0x79, 0x3a]);
  for (let at = KEY_BYTES - 1; at >= 4; at--) {
    into[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function overheadBytes(takenBytes, keys) {
  return takenBytes / keys - KEY_BYTES - VALUE_BYTES;
}

function heapBytes() {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** xorshift32. */
function nextBelow(limit) {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return (random >>> 0) % limit;
}

class Tables {
  hasher = new KeyHasher(42);
  tables = Array.from({ length: shardCount }, () => new CompactTable(this.hasher));
  item = new Item();
  found = new Item();
  version = 0;

  set(n) {
    const { item } = this;
    writeKey(key, n);
    item.hash = this.hasher.hash(key, 0, KEY_BYTES);
    item.version = ++this.version;
    item.expiryMs = hasExpiry ? NOW_MS + ((n * 7919) % EXPIRY_SPREAD_MS) : 0;
    item.setKey(key, 0, KEY_BYTES);
    item.setValue(value, 0, VALUE_BYTES);
    this.tableOf(n).put(item);
  }

  get(n) {
    writeKey(key, n);
    const { found } = this;
    if (!this.tableOf(n).find(this.hasher.hash(key, 0, KEY_BYTES), key, 0, KEY_BYTES, found))
      throw new Error(`key ${n} is not there`);
    for (let i = 0; i < VALUE_BYTES; i++) out[i] = found.valueBytes[found.valueStart + i];
  }

  remove(n) {
    writeKey(key, n);
    const table = this.tableOf(n);
    const { found } = this;
    if (table.find(this.hasher.hash(key, 0, KEY_BYTES), key, 0, KEY_BYTES, found)) table.remove(found);
  }

  clear() {
    for (const table of this.tables) table.clear();
  }

  tidy() {
    this.found.forget();
    for (const table of this.tables) while (table.maintain(200));
  }

  maintain() {
    return this.tables.some((table) => table.maintain(200));
  }

  freeze() {
    for (const table of this.tables) table.freeze().release();
  }

  due(portion) {
    const table = this.tables[portion % shardCount];
    table.due(NOW_MS + (EXPIRY_SPREAD_MS * portion) / 1000, 256);
  }

  get countedBytes() {
    return this.tables.reduce((sum, table) => sum + table.memoryBytes, 0);
  }

  tableOf(n) {
    return this.tables[n % shardCount];
  }
}

/** What a program without a table of its own would do: a string for each key, a Buffer for each value. */
class PlainMap {
  map = new Map();
  emptyBytes = heapBytes();

  get countedBytes() {
    return heapBytes() - this.emptyBytes;
  }

  set(n) {
    writeKey(key, n);
    this.map.set(keyText.toString('latin1'), Buffer.from(value));
  }

  get(n) {
    writeKey(key, n);
    const found = this.map.get(keyText.toString('latin1'));
    if (found === undefined) throw new Error(`key ${n} is not there`);
    for (let i = 0; i < VALUE_BYTES; i++) out[i] = found[i];
  }

  remove(n) {
    writeKey(key, n);
    this.map.delete(keyText.toString('latin1'));
  }

  clear() {
    this.map.clear();
  }

  tidy() {
    // A Map has nothing to tidy up: the collector does it.
  }
}

console.log(JSON.stringify(await run()));
