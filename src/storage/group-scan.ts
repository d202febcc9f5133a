/**
 * Recovery of one group from its records, in key order: what describes it first, then its entries. The conclusions
 * are those of the table in docs/formats.md: a damaged or missing record makes this replica suspect and nobody
 * else; its log is cut before the first entry that is not whole, so that such an entry is never returned.
 */
import type { GroupId, LogIndex, ReplicaId, Term } from '../base/index.js';
import {
  ENTRY_RECORD_OVERHEAD_BYTES,
  RecordKind,
  type RecordKey,
  type RecordReader,
} from '../codec/index.js';
import type { Configuration, Entry, HardState, TermRun } from '../raft/index.js';
import type { RecoveredGroup } from './api.js';
import { NO_CONFIGURATION } from '../raft/index.js';
import { GroupLog } from './group-log.js';

export class GroupScan {
  replica: ReplicaId | null = null;
  tombstone: ReplicaId | null = null;
  damagedRecords = 0;
  /** Keys of entries behind a cut: they must be gone before anything new is appended. */
  readonly doomed: Uint8Array[] = [];
  private wholeRecords = 0;
  /** Dead entries, hidden by the truncation point, stand from here on. */
  deadFrom: LogIndex = 0;
  /** The reason that an earlier opening stored. */
  private stored: string | null = null;
  /** The first thing found wrong now. */
  private problem: string | null = null;
  private hardState: HardState | null = null;
  private configuration: { index: LogIndex; configuration: Configuration } | null = null;
  private truncation: { index: LogIndex; term: Term } | null = null;
  private readonly log: GroupLog;
  private readonly termRuns: TermRun[] = [];
  private lastTerm: Term = 0;
  private cut = false;
  private sawEntries = false;

  constructor(
    private readonly group: GroupId,
    private readonly records: RecordReader,
  ) {
    this.log = new GroupLog(group, 0);
  }

  onRecord(at: RecordKey, key: Uint8Array, value: Uint8Array): void {
    const whole = this.take(at, key, value);
    if (whole) this.wholeRecords++;
    else this.damagedRecords++;
  }

  /** Null when there is no replica here: only a tombstone, or nothing but damage. */
  finish(): { group: RecoveredGroup; log: GroupLog; isNew: boolean } | null {
    if (this.wholeRecords === 0) return null;
    if (this.tombstone !== null && (this.replica ?? 0) <= this.tombstone) return null;
    this.beginEntries();
    this.checkRest();
    const { log } = this;
    log.replica = this.replica ?? 0;
    const { truncatedIndex, truncatedTerm, lastIndex } = log;
    const state = this.hardState ?? { term: 0, vote: 0, commit: 0 };
    const term = Math.max(state.term, this.lastTerm, truncatedTerm);
    const group: RecoveredGroup = {
      group: this.group,
      replica: log.replica,
      hardState: {
        term,
        // A vote belongs to its term: when the term had to be raised, nobody knows whom this replica voted for.
        vote: term === state.term ? state.vote : 0,
        commit: Math.min(Math.max(state.commit, truncatedIndex), lastIndex),
      },
      configuration: this.configuration?.configuration ?? NO_CONFIGURATION,
      configurationIndex: this.configuration?.index ?? 0,
      truncatedIndex,
      truncatedTerm,
      lastIndex,
      termRuns: this.termRuns,
      checkpoints: log.usableCheckpoints(),
      suspect: this.stored ?? this.problem,
      logBytes: log.sizes.bytes,
    };
    return { group, log, isNew: this.stored === null && this.problem !== null };
  }

  /** Decodes one record; false when it is damaged. */
  private take(at: RecordKey, key: Uint8Array, value: Uint8Array): boolean {
    const r = this.records;
    switch (at.kind) {
      case RecordKind.replica:
        return (this.replica = r.replica(key, value)) !== null;
      case RecordKind.hardState:
        return (this.hardState = r.hardState(key, value)) !== null;
      case RecordKind.configuration:
        return (this.configuration = r.configuration(key, value)) !== null;
      case RecordKind.truncation:
        return (this.truncation = r.truncation(key, value)) !== null;
      case RecordKind.checkpoint: {
        const pointer = r.checkpoint(key, value);
        if (at.index < this.log.checkpoints.length) this.log.checkpoints[at.index] = pointer;
        return pointer !== null;
      }
      case RecordKind.tombstone:
        return (this.tombstone = r.tombstone(key, value)) !== null;
      case RecordKind.suspect:
        this.stored = r.suspect(key, value) ?? 'it was found suspect earlier (the reason is damaged)';
        return true;
      case RecordKind.entry:
        return this.takeEntry(at.index, key, value);
      default:
        return false;
    }
  }

  private takeEntry(index: LogIndex, key: Uint8Array, value: Uint8Array): boolean {
    this.beginEntries();
    const { log } = this;
    if (index <= log.truncatedIndex) {
      this.deadFrom = Math.min(this.deadFrom, index); // dead: not even looked at
      return true;
    }
    if (this.cut) {
      this.doomed.push(key);
      return true;
    }
    const expected = log.lastIndex + 1;
    const entry = this.records.entry(key, value, index);
    const wrong = this.whatIsWrong(index, expected, entry);
    if (wrong !== null) {
      this.cut = true;
      this.problem ??= wrong;
      this.doomed.push(key);
      return entry !== null;
    }
    const { term, data } = entry as Entry;
    if (term !== this.lastTerm || this.termRuns.length === 0) this.termRuns.push({ index, term });
    this.lastTerm = term;
    log.lastIndex = index;
    log.sizes.push(data.length + ENTRY_RECORD_OVERHEAD_BYTES);
    return true;
  }

  private whatIsWrong(index: LogIndex, expected: LogIndex, entry: Entry | null): string | null {
    if (index !== expected) return `log entries ${expected} to ${index - 1} are missing`;
    if (entry === null) return `log entry ${index} is damaged`;
    if (entry.term < this.lastTerm) {
      return `the term falls from ${this.lastTerm} to ${entry.term} at log entry ${index}`;
    }
    return null;
  }

  /** Once, before the first entry: everything that describes the group has been seen. */
  private beginEntries(): void {
    if (this.sawEntries) return;
    this.sawEntries = true;
    const { log } = this;
    if (this.truncation === null) {
      // Nobody knows where the log begins: what the newest checkpoint holds is all that can be relied on.
      this.problem ??= 'the truncation point is missing or damaged';
      this.cut = true;
      const newest = this.log.newestCheckpoint();
      this.truncation = { index: newest?.index ?? 0, term: newest?.term ?? 0 };
    }
    log.truncatedIndex = log.lastIndex = this.truncation.index;
    log.truncatedTerm = this.lastTerm = this.truncation.term;
    this.deadFrom = log.truncatedIndex + 1;
  }

  private checkRest(): void {
    const { log } = this;
    const commit = this.hardState?.commit ?? 0;
    if (this.replica === null) this.problem ??= 'the record of its replica id is missing or damaged';
    if (this.hardState === null) this.problem ??= 'the hard state (term and vote) is missing or damaged';
    else if (this.hardState.term < this.lastTerm) {
      this.problem ??= `the stored term is ${this.hardState.term}, but the log reached term ${this.lastTerm}`;
    }
    if (this.configuration === null) this.problem ??= 'the configuration is missing or damaged';
    if (commit > log.lastIndex) {
      this.problem ??= `the log ends at ${log.lastIndex}, but ${commit} was committed`;
    }
    if (log.truncatedIndex > 0 && log.usableCheckpoints().length === 0) {
      this.problem ??= `the log begins after ${log.truncatedIndex} and no checkpoint reaches that far`;
    }
  }
}
