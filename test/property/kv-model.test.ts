/**
 * Goal: the state machine answers as a simple model of Redis does, and is the same on every replica, by every way to
 * a state. Method: random commands with random times against a `Map`; then the same log again, with reads at any
 * clock in between, through a snapshot and its tail, and with bytes changed.
 */
import { expect, test } from 'vitest';
import { ByteWriter, Prng } from '../../src/base/index.js';
import { createKv, ExpireFlag, SetFlag } from '../../src/kv/index.js';
import {
  applyTo,
  chunksOf,
  cmd,
  DEFAULTS,
  encodeEntry,
  KvDriver,
  latin1,
  loadedFrom,
  Op,
  type SetOptions,
  type Shown,
} from '../unit/kv/kv-driver.js';

const VALUE_BYTES_MAX = 64;
const START_MS = 1_000_000;
/** Commands that the test draws for any number of keys, or none. */
const NOT_OF_ONE_KEY = new Set<number>([Op.del, Op.exists, Op.mget, Op.mset, Op.flush]);
const INT64 = (value: bigint): boolean => value >= -(2n ** 63n) && value < 2n ** 63n;

interface Cell {
  readonly value: string;
  readonly version: number;
  /** Infinity: never. */
  readonly expiryMs: number;
}

/** What Redis would answer, told in the simplest way. Keys and values are Latin-1 strings of their bytes. */
class Model {
  readonly cells = new Map<string, Cell>();
  nowMs = START_MS;
  /** Mutations so far. */
  lastVersion = 0;

  live(key: string): Cell | undefined {
    const cell = this.cells.get(key);
    return cell !== undefined && cell.expiryMs > this.nowMs ? cell : undefined;
  }

  get(key: string): Shown {
    const cell = this.live(key);
    return cell === undefined ? null : '$' + cell.value;
  }

  ttl(key: string): Shown {
    const cell = this.live(key);
    if (cell === undefined) return -2n;
    return cell.expiryMs === Infinity ? -1n : BigInt(cell.expiryMs - this.nowMs);
  }

  /** A time in the past deletes what lives; what is dead already stays for the reaper. */
  store(key: string, value: string, expiryMs: number): void {
    if (expiryMs <= this.nowMs) this.del([key]);
    else this.cells.set(key, { value, expiryMs, version: ++this.lastVersion });
  }

  version(key: string): bigint {
    return BigInt(this.live(key)?.version ?? 0);
  }

  clear(): Shown {
    this.cells.clear();
    this.lastVersion++;
    return 'OK';
  }

  set(key: string, value: string, flags: number, expiryMs: number): Shown {
    if (value.length > VALUE_BYTES_MAX) return '-tooLarge';
    const old = this.live(key);
    const holds = !((flags & SetFlag.ifAbsent && old) || (flags & SetFlag.ifPresent && !old));
    const answer = flags & SetFlag.returnOld ? this.get(key) : holds ? 'OK' : null;
    if (holds) this.store(key, value, flags & SetFlag.keepTtl ? (old?.expiryMs ?? Infinity) : expiryMs);
    return answer;
  }

  incrby(key: string, delta: bigint): Shown {
    const old = this.live(key);
    const text = old?.value ?? '0';
    if (!/^(0|-?[1-9][0-9]*)$/.test(text) || !INT64(BigInt(text))) return '-notInteger';
    const sum = BigInt(text) + delta;
    if (!INT64(sum)) return '-overflow';
    this.store(key, sum.toString(), old?.expiryMs ?? Infinity);
    return sum;
  }

  expire(key: string, flags: number, expiryMs: number): Shown {
    const old = this.live(key);
    if (old === undefined) return 0n;
    if (flags & ExpireFlag.ifNone && old.expiryMs !== Infinity) return 0n;
    if (flags & ExpireFlag.ifSome && old.expiryMs === Infinity) return 0n;
    if (flags & ExpireFlag.ifGreater && !(expiryMs > old.expiryMs)) return 0n;
    if (flags & ExpireFlag.ifLess && !(expiryMs < old.expiryMs)) return 0n;
    this.store(key, old.value, expiryMs);
    return 1n;
  }

  persist(key: string): Shown {
    const old = this.live(key);
    if (old === undefined || old.expiryMs === Infinity) return 0n;
    this.store(key, old.value, Infinity);
    return 1n;
  }

  del(keys: readonly string[]): Shown {
    let count = 0n;
    for (const key of keys) {
      if (this.live(key) === undefined) continue;
      this.cells.delete(key);
      this.lastVersion++;
      count++;
    }
    return count;
  }

  getMeta(key: string): Shown {
    const cell = this.live(key);
    return cell === undefined ? null : ['$' + cell.value, BigInt(cell.version), this.ttl(key)];
  }

  expireTime(key: string): Shown {
    const cell = this.live(key);
    if (cell === undefined) return -2n;
    return cell.expiryMs === Infinity ? -1n : BigInt(cell.expiryMs);
  }

  getRange(key: string, first: number, last: number): Shown {
    const value = this.live(key)?.value ?? '';
    if (first < 0 && last < 0 && first > last) return '$';
    const place = (index: number): number => Math.max(0, index < 0 ? value.length + index : index);
    return '$' + value.slice(place(first), place(last) + 1);
  }

  cas(key: string, expected: bigint, value: string, flags: number, expiryMs: number): Shown {
    if (value.length > VALUE_BYTES_MAX) return '-tooLarge';
    if (this.version(key) !== expected) return [0n, this.version(key)];
    this.set(key, value, flags, expiryMs);
    return [1n, this.version(key)];
  }

  cad(key: string, expected: bigint): Shown {
    if (this.version(key) !== expected) return [0n, this.version(key)];
    this.del([key]);
    return [1n, 0n];
  }

  splice(key: string, offset: number | 'end', part: string): Shown {
    const old = this.live(key);
    const value = old?.value ?? '';
    if (offset !== 'end' && part === '') return BigInt(value.length);
    const from = offset === 'end' ? value.length : offset;
    if (from + part.length > VALUE_BYTES_MAX) return '-tooLarge';
    const spliced = value.slice(0, from).padEnd(from, '\0') + part + value.slice(from + part.length);
    this.store(key, spliced, old?.expiryMs ?? Infinity);
    return BigInt(spliced.length);
  }

  getDel(key: string): Shown {
    const answer = this.get(key);
    this.del([key]);
    return answer;
  }

  /** `expiryMs` 0: stays as it is. */
  getEx(key: string, expiryMs: number): Shown {
    const old = this.live(key);
    const changes = expiryMs !== 0 && (expiryMs !== Infinity || old?.expiryMs !== Infinity);
    const answer = this.get(key);
    if (old !== undefined && changes) this.store(key, old.value, expiryMs);
    return answer;
  }

  /** Every living key, in no order. */
  keys(): string[] {
    return [...this.cells.keys()].filter((key) => this.live(key) !== undefined);
  }

  /** What a reap of everything due leaves behind. */
  dropExpired(): bigint {
    let count = 0n;
    for (const [key, cell] of this.cells) {
      if (cell.expiryMs > this.nowMs) continue;
      this.cells.delete(key);
      this.lastVersion++;
      count++;
    }
    return count;
  }
}

/** Draws commands: each as bytes, and as what the model says to it. */
class Commands {
  constructor(
    private readonly prng: Prng,
    private readonly model: Model,
    private readonly keyCount: number,
  ) {}

  /** Some commands of one key ask for its version, too. */
  next(): [Uint8Array, () => Shown] {
    const key = this.key();
    const [command, answer] = this.prng.chance(0.4) ? this.nextEdit(key) : this.nextPlain(key);
    if (NOT_OF_ONE_KEY.has(command[0] as number) || !this.prng.chance(0.3)) return [command, answer];
    return [
      cmd.versioned(command),
      () => {
        const plain = answer();
        const refused = typeof plain === 'string' && plain.startsWith('-');
        return refused ? plain : [plain, this.model.version(latin1(key))];
      },
    ];
  }

  /** Reads and edits of one key's bytes and version. */
  private nextEdit(key: Uint8Array): [Uint8Array, () => Shown] {
    const { prng, model } = this;
    const name = latin1(key);
    switch (prng.below(10)) {
      case 0:
        return [cmd.getMeta(key), () => model.getMeta(name)];
      case 1:
        return [cmd.strlen(key), () => BigInt(model.live(name)?.value.length ?? 0)];
      case 2:
        return [cmd.expireTime(key), () => model.expireTime(name)];
      case 3:
        return [cmd.getDel(key), () => model.getDel(name)];
      case 4: {
        const [first, last] = [prng.between(0, 160) - 80, prng.between(0, 160) - 80];
        return [cmd.getRange(key, BigInt(first), BigInt(last)), () => model.getRange(name, first, last)];
      }
      case 5: {
        const part = this.value().subarray(0, 20);
        return [cmd.append(key, part), () => model.splice(name, 'end', latin1(part))];
      }
      case 6: {
        const part = this.value().subarray(0, 20);
        const offset = prng.below(VALUE_BYTES_MAX + 3);
        return [cmd.setRange(key, offset, part), () => model.splice(name, offset, latin1(part))];
      }
      case 7:
        return this.getEx(key, name);
      case 8:
        return this.cas(key, name);
      default: {
        const expected = this.expectedVersion(name);
        return [cmd.cad(key, expected), () => model.cad(name, BigInt(expected))];
      }
    }
  }

  /** Often the version of before this entry, which may be another one when the command's turn comes. */
  private expectedVersion(name: string): number {
    const { prng, model } = this;
    if (prng.chance(0.6)) return Number(model.version(name));
    return prng.chance(0.5) ? 0 : prng.below(model.lastVersion + 2);
  }

  private getEx(key: Uint8Array, name: string): [Uint8Array, () => Shown] {
    const { prng, model } = this;
    if (prng.chance(0.3)) return [cmd.getEx(key), () => model.getEx(name, 0)];
    if (prng.chance(0.3)) return [cmd.getEx(key, { persist: true }), () => model.getEx(name, Infinity)];
    const [options, expiryMs] = this.expiry(1);
    return [cmd.getEx(key, options), () => model.getEx(name, expiryMs)];
  }

  private cas(key: Uint8Array, name: string): [Uint8Array, () => Shown] {
    const { prng, model } = this;
    const value = this.value();
    const expected = this.expectedVersion(name);
    let options: SetOptions = {};
    let expiryMs = Infinity;
    if (prng.chance(0.5)) [options, expiryMs] = this.expiry(1);
    else if (prng.chance(0.5)) options = { flags: SetFlag.keepTtl };
    return [
      cmd.cas(key, expected, value, options),
      () => model.cas(name, BigInt(expected), latin1(value), options.flags ?? 0, expiryMs),
    ];
  }

  private nextPlain(key: Uint8Array): [Uint8Array, () => Shown] {
    const { prng, model } = this;
    const name = latin1(key);
    switch (prng.below(14)) {
      case 0:
        return [cmd.get(key), () => model.get(name)];
      case 1:
        return [cmd.ttl(key), () => model.ttl(name)];
      case 2:
        return [cmd.type(key), () => (model.live(name) ? '+string' : '+none')];
      case 3:
        return [cmd.persist(key), () => model.persist(name)];
      case 4:
        return this.expire(key, name);
      case 5:
      case 6:
        return this.incrby(key, name);
      case 7:
        return this.many();
      case 8:
        return this.mset();
      case 9:
        return prng.chance(0.01) ? [cmd.flush(), () => model.clear()] : this.many();
      default:
        return this.set(key, name);
    }
  }

  private key(): Uint8Array {
    const n = this.prng.below(this.keyCount);
    return n === 0 ? new Uint8Array(0) : Uint8Array.from([n & 255, 0, n >> 8, 255].slice(0, 2 + (n % 3)));
  }

  private value(): Uint8Array {
    const { prng } = this;
    if (prng.chance(0.3)) {
      const edges = ['0', '-1', '41', '9223372036854775806', '-9223372036854775807', '007', ' 1', '-0', '+5'];
      return Uint8Array.from(prng.pick(edges), (character) => character.charCodeAt(0));
    }
    return new Uint8Array(prng.below(VALUE_BYTES_MAX + 3)).fill(prng.below(256));
  }

  /** An expiry as the command says it, and as a point in time. */
  private expiry(least: number): [SetOptions, number] {
    const { prng } = this;
    const ms = prng.between(least, 60);
    if (prng.chance(0.5)) return [{ px: ms }, this.model.nowMs + ms];
    const atMs = Math.max(1, this.model.nowMs - 20 + ms);
    return [{ pxAt: atMs }, atMs];
  }

  private set(key: Uint8Array, name: string): [Uint8Array, () => Shown] {
    const { prng, model } = this;
    const value = this.value();
    let flags = prng.chance(0.3) ? prng.pick([SetFlag.ifAbsent, SetFlag.ifPresent]) : 0;
    if (prng.chance(0.3)) flags |= SetFlag.returnOld;
    let options: SetOptions = {};
    let expiryMs = Infinity;
    if (prng.chance(0.5)) [options, expiryMs] = this.expiry(1);
    else if (prng.chance(0.5)) flags |= SetFlag.keepTtl;
    return [
      cmd.set(key, value, { ...options, flags }),
      () => model.set(name, latin1(value), flags, expiryMs),
    ];
  }

  private expire(key: Uint8Array, name: string): [Uint8Array, () => Shown] {
    const { ifNone, ifSome, ifGreater, ifLess } = ExpireFlag;
    const flags = this.prng.pick([
      0,
      0,
      ifNone,
      ifSome,
      ifGreater,
      ifLess,
      ifSome | ifGreater,
      ifSome | ifLess,
    ]);
    const [options, expiryMs] = this.expiry(0);
    return [cmd.expire(key, { ...options, flags }), () => this.model.expire(name, flags, expiryMs)];
  }

  private incrby(key: Uint8Array, name: string): [Uint8Array, () => Shown] {
    const delta = this.prng.pick([1n, -1n, 7n, 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]);
    return [cmd.incrby(key, delta), () => this.model.incrby(name, delta)];
  }

  private many(): [Uint8Array, () => Shown] {
    const { model } = this;
    const keys = Array.from({ length: this.prng.below(5) }, () => this.key());
    const names = keys.map(latin1);
    const op = this.prng.pick([Op.del, Op.exists, Op.mget]);
    return [
      cmd.many(op, keys),
      () => {
        if (op === Op.del) return model.del(names);
        if (op === Op.mget) return names.map((name) => model.get(name));
        return BigInt(names.filter((name) => model.live(name)).length);
      },
    ];
  }

  private mset(): [Uint8Array, () => Shown] {
    const { model } = this;
    const pairs = Array.from({ length: this.prng.below(4) }, () => [this.key(), this.value()] as const);
    return [
      cmd.mset(pairs),
      () => {
        if (pairs.some(([, value]) => value.length > VALUE_BYTES_MAX)) return '-tooLarge';
        for (const [key, value] of pairs) model.store(latin1(key), latin1(value), Infinity);
        return 'OK';
      },
    ];
  }
}

const OPTIONS = { ...DEFAULTS, valueBytesMax: VALUE_BYTES_MAX };

/** All keys of the shard, a page of `countMax` at a time, sorted. */
function allKeys(driver: KvDriver, countMax: number): string[] {
  const keys: string[] = [];
  for (let fromHash = 0; fromHash < 2 ** 32;) {
    const [next, page] = driver.read(cmd.scan(fromHash, countMax)) as [bigint, string[]];
    for (const key of page) keys.push(key.slice(1));
    fromHash = Number(next);
  }
  return keys.sort();
}

/** Runs random entries on driver and model; the hash after each entry. */
function runRandom(seed: number, entries: number, keyCount: number): { driver: KvDriver; hashes: string[] } {
  const prng = new Prng(seed);
  const model = new Model();
  const driver = new KvDriver(OPTIONS, START_MS);
  const commands = new Commands(prng.stream('commands'), model, keyCount);
  const hashes: string[] = [];
  const note = (): number => hashes.push(driver.kv.stateHash());
  for (let entry = 0; entry < entries; entry++) {
    driver.nowMs += prng.chance(0.3) ? prng.below(30) : 0;
    model.nowMs = driver.nowMs;
    const drawn = Array.from({ length: prng.below(8) }, () => commands.next());
    const results = driver.apply(...drawn.map(([bytes]) => bytes));
    note();
    const expected = drawn.map(([, answer]) => answer());
    expect(results, `seed ${seed}, entry ${entry}`).toEqual(expected);
    expect(driver.kv.lastVersion, `seed ${seed}, entry ${entry}`).toBe(model.lastVersion);
    if (prng.chance(0.05)) expect(allKeys(driver, prng.between(5, 300))).toEqual(model.keys().sort());
    if (!prng.chance(0.05)) continue;
    expect(driver.reap(100_000), `seed ${seed}, reap after entry ${entry}`).toBe(model.dropExpired());
    if (hashes.length < driver.log.length) note();
    expect(driver.kv.itemCount).toBe(model.cells.size);
    expect(driver.read(cmd.dbsize())).toBe(BigInt(model.cells.size));
  }
  return { driver, hashes };
}

test('the state machine answers as the model does', () => {
  for (let seed = 1; seed <= 6; seed++) runRandom(seed, 500, 20);
  runRandom(7, 1500, 3000);
});

test('E87: reads at any clock in between change nothing, so that replicas with other clocks stay equal', () => {
  const { driver, hashes } = runRandom(21, 400, 20);
  const prng = new Prng(22);
  const other = createKv(OPTIONS);
  const out = new ByteWriter();
  const command = cmd.get(Uint8Array.from([5, 0, 0]));
  for (const [i, entry] of driver.log.entries()) {
    const nowMs = prng.below(10) * START_MS;
    other.read(command, 0, command.length, nowMs, out);
    other.dueForReap(nowMs, 10);
    other.nextDueMs();
    applyTo(other, entry, i + 1);
    other.read(command, 0, command.length, nowMs, out);
    if (other.stateHash() !== hashes[i]) throw new Error(`hashes differ after entry ${i}`);
  }
});

test('E93: the same log gives the same hash after every entry, also from any snapshot on', () => {
  const { driver, hashes } = runRandom(31, 600, 200);
  const whole = createKv(OPTIONS);
  for (const [i, entry] of driver.log.entries()) {
    applyTo(whole, entry, i + 1);
    if (whole.stateHash() !== hashes[i]) throw new Error(`hashes differ after entry ${i}`);
    if (i % 100 !== 50) continue;
    const restored = loadedFrom(chunksOf(whole, 500), OPTIONS);
    expect(restored.stateHash()).toBe(hashes[i]);
    for (let k = i + 1; k < driver.log.length; k++) applyTo(restored, driver.log[k] as Uint8Array, k + 1);
    expect(restored.stateHash()).toBe(hashes.at(-1));
  }
});

test('another order of different keys gives other versions, and so another hash', () => {
  const one = new KvDriver();
  const two = new KvDriver();
  one.apply(cmd.set('a', '1'), cmd.set('b', '2'));
  two.apply(cmd.set('b', '2'), cmd.set('a', '1'));
  expect(one.kv.stateHash()).not.toBe(two.kv.stateHash());
  expect(one.kv.stateHash()).toMatch(/^[0-9a-f]{16}$/);
});

test('no bytes make apply or read throw, and two replicas make the same of them', () => {
  const { driver } = runRandom(41, 60, 10);
  const prng = new Prng(42);
  const a = createKv(OPTIONS);
  const b = createKv(OPTIONS);
  const out = new ByteWriter();
  for (let round = 0; round < 8000; round++) {
    let bytes = prng.pick(driver.log).slice();
    for (let changes = prng.between(1, 4); changes > 0; changes--) {
      if (bytes.length > 0) bytes[prng.below(bytes.length)] = prng.pick([0, 1, 255, prng.below(256)]);
    }
    if (prng.chance(0.2)) bytes = bytes.slice(0, prng.below(bytes.length + 1));
    const results = applyTo(a, bytes, round + 1);
    expect(applyTo(b, bytes, round + 1)).toEqual(results);
    if (a.stateHash() !== b.stateHash()) throw new Error(`hashes differ in round ${round}`);
    out.reset();
    a.read(bytes, Math.min(17, bytes.length), bytes.length, START_MS, out);
  }
  // Changed bytes inside one command leave the others alone.
  expect(applyTo(a, encodeEntry(START_MS, [Uint8Array.from([255]), cmd.flush(), cmd.dbsize()]), 8001)).toEqual([
    '-malformed',
    'OK',
    0n,
  ]);
});
