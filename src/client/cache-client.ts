/**
 * What callers of `quorate/client` hold: the cache's operations as methods, each a promise that is settled by its
 * deadline. Every error is a `QuorateError`, but for a call that was aborted: that rejects with the signal's reason.
 */
import { QuorateError } from '../base/index.js';
import { CacheExpiryKind, CacheSetCondition, OperationKind } from '../codec/cache/index.js';
import { unwrapAll } from './batch-error.js';
import type { ItemResult } from './batch-error.js';
import { Call } from './call.js';
import type { AnswerReader } from './call.js';
import { DEADLINE_MS_MAX, readConsistency, readMaxStaleness, readSignal } from './client-options.js';
import type { CallOptions, ExpiryOptions, ReadOptions, WriteOptions } from './client-options.js';
import { parseDuration } from './durations.js';
import type { Duration } from './durations.js';
import type { ClientEngine } from './engine.js';
import { checkOptions, invalidArgument } from './invalid-argument.js';
import { decodeBytes, decodeJson, decodeString, encodeKey, encodeValue } from './keys-and-values.js';
import type { Key, Value } from './keys-and-values.js';

/** How a value is handed over: its bytes (the default), as UTF-8 text, or parsed as JSON. */
export type ValueForm = 'bytes' | 'string' | 'json';

export interface AsBytes {
  readonly as?: 'bytes';
}
export interface AsString {
  readonly as: 'string';
}
export interface AsJson {
  readonly as: 'json';
}

export interface ValueWithMeta<T> {
  readonly value: T;
  /** Grows with every change of the key; for `compareAndSet` and `compareAndDelete`. */
  readonly version: number;
  /** Time to live left; null: the value does not end. */
  readonly ttlMs: number | null;
}

export interface Written {
  /** The key's version after the write. */
  readonly version: number;
}

export interface Applied {
  /** Whether the condition held and the operation took effect. */
  readonly applied: boolean;
  /** The key's version now; 0: it is absent. */
  readonly version: number;
}

/** A cache, reached through any of its nodes. `close` it when done: until then its connections keep the process up. */
export interface CacheClient {
  /** The key's value, null when it has none. WRONG_TYPE: `as: 'json'`, and it is none. */
  get(key: Key, options?: ReadOptions & AsBytes): Promise<Uint8Array | null>;
  get(key: Key, options: ReadOptions & AsString): Promise<string | null>;
  get<T = unknown>(key: Key, options: ReadOptions & AsJson): Promise<T | null>;
  /** The same with version and time to live. */
  getWithMeta(key: Key, options?: ReadOptions & AsBytes): Promise<ValueWithMeta<Uint8Array> | null>;
  getWithMeta(key: Key, options: ReadOptions & AsString): Promise<ValueWithMeta<string> | null>;
  getWithMeta<T = unknown>(key: Key, options: ReadOptions & AsJson): Promise<ValueWithMeta<T> | null>;
  /** Sets the value. Without `ttl`, `expireAt` or `keepTtl` it does not end. */
  set(key: Key, value: Value, options?: WriteOptions): Promise<Written>;
  /** Sets the value if the key is absent. */
  setIfAbsent(key: Key, value: Value, options?: WriteOptions): Promise<Applied>;
  /** Sets the value if the key is there. */
  setIfPresent(key: Key, value: Value, options?: WriteOptions): Promise<Applied>;
  /** Whether the key was there. */
  delete(key: Key, options?: CallOptions): Promise<boolean>;
  /** Sets the value if the key's version is the expected one; 0: if the key is absent. */
  compareAndSet(key: Key, expectedVersion: number, value: Value, options?: WriteOptions): Promise<Applied>;
  /** Deletes the key if its version is the expected one. */
  compareAndDelete(key: Key, expectedVersion: number, options?: CallOptions): Promise<Applied>;
  /**
   * Adds to the integer that the value spells, and gives the sum: a number where that is exact, else a bigint. An
   * absent key counts as 0; the time to live stays. NOT_A_NUMBER, OVERFLOW (signed 64 bits).
   */
  increment(key: Key, delta?: number | bigint, options?: CallOptions): Promise<number | bigint>;
  /** Gives the key a new time to live; whether it was there. */
  touch(key: Key, ttl: Duration, options?: CallOptions): Promise<boolean>;
  /** Takes the time to live away; whether there was one. */
  persist(key: Key, options?: CallOptions): Promise<boolean>;
  /** Values in the order of the keys. Rejects with `BatchError` when any failed, which has the others' results. */
  getMany(keys: Iterable<Key>, options?: ReadOptions & AsBytes): Promise<(Uint8Array | null)[]>;
  getMany(keys: Iterable<Key>, options: ReadOptions & AsString): Promise<(string | null)[]>;
  getMany<T = unknown>(keys: Iterable<Key>, options: ReadOptions & AsJson): Promise<(T | null)[]>;
  /** Sets each value; a `Map` will do. Results and `BatchError` as with `getMany`. No transaction: items stand alone. */
  setMany(entries: Iterable<readonly [Key, Value]>, options?: WriteOptions): Promise<Written[]>;
  /** For each key whether it was there. `BatchError` as with `getMany`. */
  deleteMany(keys: Iterable<Key>, options?: CallOptions): Promise<boolean[]>;
  /** Calls without an answer. */
  readonly pendingCount: number;
  /** Ends all connections; calls without an answer are rejected: writes that were sent with OUTCOME_UNKNOWN. */
  close(): Promise<void>;
}

const CALL_OPTIONS = ['deadline', 'signal'];
const READ_OPTIONS = [...CALL_OPTIONS, 'consistency', 'maxStaleness', 'as'];
const WRITE_OPTIONS = [...CALL_OPTIONS, 'ttl', 'expireAt', 'keepTtl'];
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export class EngineCacheClient implements CacheClient {
  constructor(
    private readonly engine: ClientEngine,
    private readonly deadlineMs: number,
    /** Resolves when everything is closed. */
    private readonly closeAll: () => Promise<void>,
  ) {}

  get pendingCount(): number {
    return this.engine.pendingCount;
  }

  get<T>(key: Key, options?: ReadOptions & { readonly as?: ValueForm }): Promise<T | null> {
    return this.run(options, () =>
      this.readCall(key, options, readerOf(options?.as) as AnswerReader<T | null>),
    );
  }

  getWithMeta<T>(
    key: Key,
    options?: ReadOptions & { readonly as?: ValueForm },
  ): Promise<ValueWithMeta<T> | null> {
    return this.run(options, () => {
      const readValue = readerOf(options?.as) as AnswerReader<T | null>;
      const call = this.readCall(key, options, (answer): ValueWithMeta<T> | null => {
        if (!answer.found) return null;
        const { version, ttlMs } = answer;
        return { value: readValue(answer) as T, version, ttlMs: ttlMs === 0 ? null : ttlMs };
      });
      call.withMeta = true;
      return call;
    });
  }

  set(key: Key, value: Value, options?: WriteOptions): Promise<Written> {
    return this.run(options, () => setCall(key, value, options, CacheSetCondition.none, readWritten));
  }

  setIfAbsent(key: Key, value: Value, options?: WriteOptions): Promise<Applied> {
    return this.run(options, () => setCall(key, value, options, CacheSetCondition.ifAbsent, readApplied));
  }

  setIfPresent(key: Key, value: Value, options?: WriteOptions): Promise<Applied> {
    return this.run(options, () => setCall(key, value, options, CacheSetCondition.ifPresent, readApplied));
  }

  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.run(options, () => deleteCall(key, options));
  }

  compareAndSet(key: Key, expectedVersion: number, value: Value, options?: WriteOptions): Promise<Applied> {
    return this.run(options, () => {
      checkOptions(options, WRITE_OPTIONS);
      const call = new Call(OperationKind.compareAndSet, encodeKey(key), readApplied);
      call.expectedVersion = readVersion(expectedVersion);
      call.value = encodeValue(value);
      setExpiry(call, options);
      return call;
    });
  }

  compareAndDelete(key: Key, expectedVersion: number, options?: CallOptions): Promise<Applied> {
    return this.run(options, () => {
      checkOptions(options, CALL_OPTIONS);
      const call = new Call(OperationKind.compareAndDelete, encodeKey(key), readApplied);
      call.expectedVersion = readVersion(expectedVersion);
      return call;
    });
  }

  increment(key: Key, delta: number | bigint = 1, options?: CallOptions): Promise<number | bigint> {
    return this.run(options, () => {
      checkOptions(options, CALL_OPTIONS);
      const call = new Call(OperationKind.increment, encodeKey(key), (answer) => answer.number);
      call.delta = readDelta(delta);
      return call;
    });
  }

  touch(key: Key, ttl: Duration, options?: CallOptions): Promise<boolean> {
    return this.run(options, () => {
      checkOptions(options, CALL_OPTIONS);
      const call = new Call(OperationKind.touch, encodeKey(key), readFound);
      call.expiryKind = CacheExpiryKind.ttl;
      call.expiryMs = parseDuration('ttl', ttl);
      return call;
    });
  }

  persist(key: Key, options?: CallOptions): Promise<boolean> {
    return this.run(options, () => {
      checkOptions(options, CALL_OPTIONS);
      return new Call(OperationKind.persist, encodeKey(key), (answer) => answer.applied);
    });
  }

  getMany<T>(
    keys: Iterable<Key>,
    options?: ReadOptions & { readonly as?: ValueForm },
  ): Promise<(T | null)[]> {
    return this.runMany(options, () => {
      const reader = readerOf(options?.as) as AnswerReader<T | null>;
      return listOf('keys', keys).map((key, i) => this.readCall(key, options, reader, `keys[${i}]`));
    });
  }

  setMany(entries: Iterable<readonly [Key, Value]>, options?: WriteOptions): Promise<Written[]> {
    return this.runMany(options, () =>
      listOf('entries', entries).map((entry, i) => {
        if (!Array.isArray(entry)) throw invalidArgument(`entries[${i}]`, entry, 'an array of key and value');
        const [key, value] = entry as readonly [Key, Value];
        return setCall(key, value, options, CacheSetCondition.none, readWritten, `entries[${i}]`);
      }),
    );
  }

  deleteMany(keys: Iterable<Key>, options?: CallOptions): Promise<boolean[]> {
    return this.runMany(options, () =>
      listOf('keys', keys).map((key, i) => deleteCall(key, options, `keys[${i}]`)),
    );
  }

  close(): Promise<void> {
    return this.closeAll();
  }

  private readCall<T>(
    key: Key,
    options: ReadOptions | undefined,
    reader: AnswerReader<T>,
    name = 'key',
  ): Call<T> {
    checkOptions(options, READ_OPTIONS);
    const call = new Call(OperationKind.get, encodeKey(key, name), reader);
    call.consistency = readConsistency(options?.consistency);
    call.maxStalenessMs = readMaxStaleness(options?.maxStaleness, call.consistency);
    return call;
  }

  /** What `make` or the engine throws rejects the promise: an argument's error, OVERLOADED, a closed client. */
  private run<T>(options: CallOptions | undefined, make: () => Call<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call = make();
      call.settleWith(resolve, reject);
      this.submit(call, options);
    });
  }

  /** No item is sent when an argument is wrong; after that each stands for itself. */
  private runMany<T>(options: CallOptions | undefined, make: () => readonly Call<T>[]): Promise<T[]> {
    return new Promise<T[]>((resolve, reject) => {
      readSignal(options?.signal);
      if (options?.deadline !== undefined) parseDuration('deadline', options.deadline, DEADLINE_MS_MAX);
      const calls = make();
      const results = new Array<ItemResult<T>>(calls.length);
      let missing = calls.length;
      const settle = (index: number, result: ItemResult<T>): void => {
        results[index] = result;
        if (--missing > 0) return;
        try {
          resolve(unwrapAll(results));
        } catch (error) {
          reject(error);
        }
      };
      if (missing === 0) resolve([]);
      for (const [index, call] of calls.entries()) {
        const fail = (error: unknown): void => {
          if (QuorateError.is(error)) settle(index, { ok: false, error });
          else reject(error); // aborted: the signal's reason
        };
        call.settleWith((value) => settle(index, { ok: true, value }), fail);
        try {
          this.submit(call, options);
        } catch (error) {
          fail(error);
        }
      }
    });
  }

  private submit<T>(call: Call<T>, options: CallOptions | undefined): void {
    const signal = readSignal(options?.signal);
    if (signal?.aborted === true) throw signal.reason;
    const deadline = options?.deadline;
    const timeoutMs =
      deadline === undefined ? this.deadlineMs : parseDuration('deadline', deadline, DEADLINE_MS_MAX);
    const handle = this.engine.submit(call, timeoutMs);
    if (signal !== null) call.abortWith(signal, () => void this.engine.cancel(handle, call));
  }
}

function setCall<T>(
  key: Key,
  value: Value,
  options: WriteOptions | undefined,
  condition: CacheSetCondition,
  reader: AnswerReader<T>,
  name = '',
): Call<T> {
  checkOptions(options, WRITE_OPTIONS);
  const call = new Call(OperationKind.set, encodeKey(key, `${name}key`), reader);
  call.value = encodeValue(value, `${name}value`);
  call.condition = condition;
  setExpiry(call, options);
  return call;
}

function deleteCall(key: Key, options: CallOptions | undefined, name = 'key'): Call<boolean> {
  checkOptions(options, CALL_OPTIONS);
  return new Call(OperationKind.delete, encodeKey(key, name), readFound);
}

type WithExpiry = Pick<Call<unknown>, 'expiryKind' | 'expiryMs' | 'keepTtl'>;

function setExpiry(call: WithExpiry, options: ExpiryOptions | undefined): void {
  if (options === undefined) return;
  const { ttl, expireAt, keepTtl } = options;
  const given: string[] = [];
  if (ttl !== undefined) given.push('ttl');
  if (expireAt !== undefined) given.push('expireAt');
  if (keepTtl === true) given.push('keepTtl');
  if (given.length > 1) {
    throw invalidArgument('options', given.join(' with '), 'only one of ttl, expireAt and keepTtl');
  }
  if (ttl !== undefined) {
    call.expiryKind = CacheExpiryKind.ttl;
    call.expiryMs = parseDuration('ttl', ttl);
  }
  if (expireAt !== undefined) {
    if (!Number.isSafeInteger(expireAt) || expireAt < 1) {
      throw invalidArgument('expireAt', expireAt, 'milliseconds since the Unix epoch as an integer from 1');
    }
    call.expiryKind = CacheExpiryKind.at;
    call.expiryMs = expireAt;
  }
  if (keepTtl !== undefined && typeof keepTtl !== 'boolean') {
    throw invalidArgument('keepTtl', keepTtl, 'true or false');
  }
  call.keepTtl = keepTtl === true;
}

function readVersion(given: unknown): number {
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
  throw invalidArgument(
    'expectedVersion',
    given,
    'a version that the client returned, or 0 for an absent key',
  );
}

function readDelta(given: unknown): number | bigint {
  if (typeof given === 'number' && Number.isSafeInteger(given)) return given;
  if (typeof given === 'bigint' && given >= INT64_MIN && given <= INT64_MAX) return given;
  throw invalidArgument('delta', given, 'a safe integer, or a bigint of signed 64 bits');
}

function listOf<T>(name: string, given: Iterable<T>): T[] {
  const isList = typeof given === 'object' && given !== null && Symbol.iterator in given;
  if (!isList) throw invalidArgument(name, given, 'an array, or anything else that can be iterated');
  return [...given];
}

const readFound: AnswerReader<boolean> = (answer) => answer.found;
const readWritten: AnswerReader<Written> = ({ version }) => ({ version });
const readApplied: AnswerReader<Applied> = ({ applied, version }) => ({ applied, version });

const readBytes: AnswerReader<Uint8Array | null> = ({ found, bytes, valueStart, valueEnd }) =>
  found ? decodeBytes(bytes, valueStart, valueEnd) : null;
const readString: AnswerReader<string | null> = ({ found, bytes, valueStart, valueEnd }) =>
  found ? decodeString(bytes, valueStart, valueEnd) : null;
const readJson: AnswerReader<unknown> = ({ found, bytes, valueStart, valueEnd }) =>
  found ? decodeJson(bytes, valueStart, valueEnd) : null;

function readerOf(form: unknown): AnswerReader<unknown> {
  switch (form) {
    case undefined:
    case 'bytes':
      return readBytes;
    case 'string':
      return readString;
    case 'json':
      return readJson;
    default:
      throw invalidArgument('as', form, "'bytes', 'string' or 'json'");
  }
}
