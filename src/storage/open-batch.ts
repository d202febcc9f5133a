/**
 * The batch that collects while another one is being written: records are encoded into one reused buffer and copied
 * into the store's batch. Counts what the metrics and the batch window want to know.
 */
import type { GroupId, LogIndex } from '../base/index.js';
import { RecordKind, RecordWriter } from '../codec/index.js';
import type { Crc32, OrderedStore, StoreBatch } from '../ports/index.js';

/** What the store's write buffer takes for an operation besides key and value, at least (a lower bound is safe). */
const OPERATION_BYTES_MIN = 24;

export class OpenBatch {
  /** Encode a record here, then call `put`. */
  readonly records: RecordWriter;
  /** Keys and values so far. */
  bytes = 0;
  entries = 0;
  private batch: StoreBatch | null = null;

  constructor(
    private readonly store: OrderedStore,
    crc32: Crc32,
  ) {
    this.records = new RecordWriter(crc32);
  }

  get isEmpty(): boolean {
    return this.batch === null;
  }

  /** At least what the batch takes in the store's write buffer. */
  get bufferBytes(): number {
    return this.bytes + (this.batch?.length ?? 0) * OPERATION_BYTES_MIN;
  }

  /** Begins the batch even when nothing is put into it. */
  begin(): StoreBatch {
    return (this.batch ??= this.store.batch());
  }

  /** Puts the record that stands in the writer. */
  put(): void {
    const { key, value } = this.records;
    this.begin().put(key, value);
    this.bytes += key.length + value.length;
  }

  del(key: Uint8Array): void {
    this.begin().del(key);
    this.bytes += key.length;
  }

  /** Bound, so that it can be handed on without a closure. */
  readonly delEntry = (group: GroupId, index: LogIndex): void => {
    this.records.keyOf(group, RecordKind.entry, index);
    this.del(this.records.key);
  };

  delRecord(group: GroupId, kind: RecordKind, index: number): void {
    this.records.keyOf(group, kind, index);
    this.del(this.records.key);
  }

  /** Moves the batch out and starts counting anew. */
  take(): StoreBatch {
    const batch = this.begin();
    this.batch = null;
    this.bytes = 0;
    this.entries = 0;
    return batch;
  }
}
