/**
 * Reads a stretch of one group's log, and believes nothing: every record's CRC, the run of indexes and the terms
 * are checked. What is not whole is an error, never an entry.
 */
import type { GroupId, LogIndex, Term } from '../base/index.js';
import { readRecordKey, recordKey, RecordKind, type RecordKey, type RecordReader } from '../codec/index.js';
import type { OrderedStore, StoreRecord } from '../ports/index.js';
import type { Entry } from '../raft/index.js';
import { StorageError } from './errors.js';

/** Entries of [lo, hi): at least one, then as many as fit `bytesMax`. */
export function readEntries(
  store: OrderedStore,
  reader: RecordReader,
  group: GroupId,
  lo: LogIndex,
  hi: LogIndex,
  bytesMax: number,
  done: (error: Error | null, entries: Entry[] | null) => void,
): void {
  const range = {
    gte: recordKey(group, RecordKind.entry, lo),
    lt: recordKey(group, RecordKind.entry, hi),
    bytesMax,
  };
  store.scan(range, (error, records) => {
    if (error) return done(error, null);
    const entries: Entry[] = [];
    const problem = decodeRun(reader, group, lo, records, entries);
    if (problem === null) done(null, entries);
    else done(new StorageError('DAMAGED_ENTRY', `group ${group}: ${problem}`), null);
  });
}

function decodeRun(
  reader: RecordReader,
  group: GroupId,
  lo: LogIndex,
  records: readonly StoreRecord[],
  entries: Entry[],
): string | null {
  const at: RecordKey = { group, kind: 0, index: 0 };
  let term: Term = 0;
  let expected = lo;
  for (const { key, value } of records) {
    if (!readRecordKey(key, at)) return `a damaged key behind entry ${expected - 1}`;
    if (at.index !== expected) return `log entries ${expected} to ${at.index - 1} are missing`;
    const entry = reader.entry(key, value, expected);
    if (entry === null) return `log entry ${expected} is damaged`;
    if (entry.term < term) return `the term falls at log entry ${expected}`;
    term = entry.term;
    entries.push(entry);
    expected++;
  }
  return entries.length > 0 ? null : `log entry ${lo} is missing`;
}
