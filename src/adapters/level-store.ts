/**
 * The `OpenOrderedStore` port over classic-level (LevelDB). Promises end here: every outcome becomes a call from the
 * event loop.
 *
 * Options were measured (shared targets): a 64 MiB write buffer and files of 64 MiB keep compaction out of the way (a
 * node with little memory has smaller ones: two buffers are in memory, and so are the files that a compaction reads),
 * compression would cost more than it saves on entries that the table compresses again. `sync` is always passed:
 * classic-level's default is no fsync.
 *
 * After any failed write the handle is finished, because LevelDB itself is not: measured, it goes on acknowledging
 * synced writes that it loses at the next opening.
 */
import { ClassicLevel } from 'classic-level';
import { assert } from '../base/index.js';
import {
  STORE_BUFFER_BYTES,
  type Done,
  type OpenOrderedStore,
  type OrderedStore,
  type StoreBatch,
  type StoreRange,
  type StoreRecord,
} from '../ports/index.js';

type Level = ClassicLevel<Uint8Array, Uint8Array>;

const OPTIONS = {
  keyEncoding: 'view',
  valueEncoding: 'view',
  compression: false,
} as const;
/** Records per call into LevelDB while scanning. */
const SCAN_STEP_RECORDS = 1000;
const SCAN_STEP_BYTES = 1024 * 1024;

/** Stores with a write buffer, and files, of so many bytes. */
export function levelStores(writeBufferSize: number): OpenOrderedStore {
  assert(writeBufferSize <= STORE_BUFFER_BYTES, `a write buffer of ${writeBufferSize} bytes`);
  const options = { ...OPTIONS, writeBufferSize, maxFileSize: writeBufferSize };
  return (path, done) => {
    const level: Level = new ClassicLevel<Uint8Array, Uint8Array>(path, options);
    level.open().then(
      () => later(() => done(null, new LevelStore(level))),
      (error: unknown) => later(() => done(describe(error, `${path} can't be opened`), null)),
    );
  };
}

export const openLevelStore: OpenOrderedStore = levelStores(STORE_BUFFER_BYTES);

class LevelBatch implements StoreBatch {
  constructor(readonly chain: ReturnType<Level['batch']>) {}

  put(key: Uint8Array, value: Uint8Array): void {
    this.chain.put(key, value);
  }

  del(key: Uint8Array): void {
    this.chain.del(key);
  }

  get length(): number {
    return this.chain.length;
  }
}

class LevelStore implements OrderedStore {
  private writing = false;
  private failure: Error | null = null;

  constructor(private readonly level: Level) {}

  batch(): StoreBatch {
    return new LevelBatch(this.level.batch());
  }

  write(batch: StoreBatch, sync: boolean, done: Done): void {
    assert(batch instanceof LevelBatch, 'batch of another store');
    assert(!this.writing, 'two writes in flight on one store');
    if (this.failure) return later(() => done(this.failure));
    this.writing = true;
    batch.chain.write({ sync }).then(
      () => later(() => this.onWritten(null, done)),
      (error: unknown) => later(() => this.onWritten(describe(error, 'write failed'), done)),
    );
  }

  scan(range: StoreRange, done: (error: Error | null, records: StoreRecord[]) => void): void {
    if (this.failure) return later(() => done(this.failure, []));
    this.collect(range).then(
      (records) => later(() => done(null, records)),
      (error: unknown) => later(() => done((this.failure = describe(error, 'scan failed')), [])),
    );
  }

  close(done: Done): void {
    this.failure ??= new Error('the store is closed');
    this.level.close().then(
      () => later(() => done(null)),
      (error: unknown) => later(() => done(describe(error, 'close failed'))),
    );
  }

  private onWritten(error: Error | null, done: Done): void {
    this.writing = false;
    if (error) this.failure = error;
    done(error);
  }

  private async collect(range: StoreRange): Promise<StoreRecord[]> {
    const countMax = range.countMax ?? Infinity;
    const bytesMax = range.bytesMax ?? Infinity;
    const iterator = this.level.iterator({
      gte: range.gte,
      lt: range.lt,
      reverse: range.reverse ?? false,
      limit: countMax === Infinity ? -1 : countMax,
      fillCache: false,
      highWaterMarkBytes: Math.min(bytesMax, SCAN_STEP_BYTES),
    });
    const records: StoreRecord[] = [];
    let bytes = 0;
    try {
      for (;;) {
        const step = await iterator.nextv(SCAN_STEP_RECORDS);
        if (step.length === 0) return records;
        for (const [key, value] of step) {
          records.push({ key, value });
          bytes += value.length;
          if (records.length >= countMax || bytes >= bytesMax) return records;
        }
      }
    } finally {
      await iterator.close();
    }
  }
}

/** Out of the promise: what a callback throws is an uncaught exception, not a rejection that somebody may swallow. */
function later(run: () => void): void {
  setImmediate(run);
}

interface Coded {
  readonly code?: unknown;
  readonly cause?: unknown;
}

/** Gives LevelDB's errors the codes that callers tell apart: it has them only as text. */
function describe(thrown: unknown, what: string): Error & { code?: string } {
  const cause = (thrown as Coded).cause ?? thrown;
  const text = cause instanceof Error ? cause.message : String(cause);
  const error: Error & { code?: string } = new Error(`${what}: ${text}`, { cause: thrown });
  const code = codeOf(cause, text);
  if (code !== null) error.code = code;
  return error;
}

function codeOf(cause: unknown, text: string): string | null {
  const code = (cause as Coded).code;
  if (code === 'LEVEL_LOCKED') return 'LOCKED';
  if (text.includes('No space left on device')) return 'ENOSPC';
  if (text.includes('Input/output error')) return 'EIO';
  return typeof code === 'string' ? code : null;
}
