/**
 * What a key's history says before any search: which operations count, in which order they were called, who wrote and
 * who reads each value, which versions are still to be told. Some of it changes as the search goes on through time:
 * `onCall` and `onReturn` tell it how far it is.
 *
 * - Reads with unknown outcome say nothing and are left out, and so are operations that certainly never happened.
 * - A value with one writer, on a key whose versions change with its values alone, has one version: what a read told
 *   of it is known of its writer too, also of one whose outcome is unknown.
 * - A value that nobody is to read or compare any more is as good as any other: JUNK. Not on keys that count.
 */
import type { HistoryLine, HistoryOp } from './history-record.js';
import type { KeyState } from './check-key-model.js';

const COUNTER_OPS: ReadonlySet<HistoryOp> = new Set<HistoryOp>(['get', 'put', 'incr', 'del']);
/** No client writes it. */
export const JUNK = '\u0000';

export class KeyFacts {
  /** By call time. */
  readonly ops: readonly HistoryLine[];
  /** Of each the operation of the same connection that must take effect before it; -1: none. */
  readonly before: Int32Array;
  /** 1 for certain ones that write nothing. */
  readonly observes: Uint8Array;
  /** 1 for certain writes that are like each other while their value is junk, so that the order of returns will do. */
  readonly isPlain: Uint8Array;
  /** The key is counted: values come again and again, and none is junk. */
  readonly counts: boolean;
  /** Counted, and nothing else is there that could tell one number from another, or a version without its number. */
  readonly onlyCounts: boolean;
  readonly expires: boolean;
  /** Above this floor the operation is impossible. */
  private readonly caps: Float64Array;
  /** The least cap of those called from this one on. */
  private readonly capsFrom: Float64Array;
  /** Who still has to see a value: certain reads, and comparisons by value. */
  private readonly mentions = new Map<string, number>();
  private readonly writers = new Map<string, number>();
  /** Certain reads that are not called yet. */
  private readonly readsAhead = new Map<string, number>();
  private called = 0;

  constructor(lines: readonly HistoryLine[], before: readonly (number | null)[], evicts = false) {
    const order = lines
      .map((line, i) => ({ line, i }))
      .filter(({ line }) => line.status !== 'fail' && !(line.status === 'unknown' && line.op === 'get'))
      .sort((a, b) => a.line.call_ns - b.line.call_ns || a.i - b.i);
    const place = new Map(order.map(({ i }, at) => [i, at]));
    const ops = order.map(({ line }) => line);
    this.before = Int32Array.from(order, ({ line, i }) => {
      const earlier = before[i] ?? null;
      if (earlier === null || line.status !== 'ok' || lines[earlier]?.status !== 'ok') return -1;
      // Time orders those that don't overlap.
      return (lines[earlier].return_ns as number) < line.call_ns ? -1 : (place.get(earlier) ?? -1);
    });
    this.counts = ops.some((op) => op.op === 'incr');
    this.onlyCounts = !evicts && this.counts && ops.every((op) => COUNTER_OPS.has(op.op));
    this.expires = evicts || ops.some((op) => op.ttl_ms !== undefined);
    for (const op of ops) this.noteValues(op);
    this.ops = this.withVersions(ops);
    this.observes = Uint8Array.from(this.ops, (op) => (op.status === 'ok' && !writes(op) ? 1 : 0));
    const bound = new Set(this.before);
    this.isPlain = Uint8Array.from(this.ops, (op, i) => (!bound.has(i) && this.isPlainWrite(op, i) ? 1 : 0));
    this.caps = Float64Array.from(this.ops, capOf);
    this.capsFrom = new Float64Array(this.ops.length + 1).fill(Infinity);
    for (let i = this.ops.length - 1; i >= 0; i--) {
      this.capsFrom[i] = Math.min(this.caps[i] as number, this.capsFrom[i + 1] as number);
    }
  }

  onCall(i: number): void {
    this.called = i + 1;
    const value = valueRead(this.ops[i] as HistoryLine);
    if (value !== null) add(this.readsAhead, value, -1);
  }

  isCalled(i: number): boolean {
    return i < this.called;
  }

  /** It is placed in every configuration. */
  onReturn(i: number): void {
    const value = valueMentioned(this.ops[i] as HistoryLine);
    if (value !== null) add(this.mentions, value, -1);
  }

  isJunk(value: string): boolean {
    return !this.counts && (this.mentions.get(value) ?? 0) === 0;
  }

  /** The key's versions have gone past one that an operation still has to tell or to find. */
  isTooLate(state: KeyState, open: readonly number[]): boolean {
    if (state.floor > (this.capsFrom[this.called] as number)) return true;
    for (const i of open) if (state.floor > (this.caps[i] as number)) return true;
    return false;
  }

  /** The value goes away for good although certain reads of it are still to come. */
  leavesReaders(from: KeyState, to: KeyState, open: readonly number[]): boolean {
    const { value } = from;
    if (this.counts || value === null || value === to.value || this.writers.get(value) !== 1) return false;
    if ((this.readsAhead.get(value) ?? 0) > 0) return true;
    for (const i of open) if (valueRead(this.ops[i] as HistoryLine) === value) return true;
    return false;
  }

  private noteValues(op: HistoryLine): void {
    const mentioned = valueMentioned(op);
    if (mentioned !== null) add(this.mentions, mentioned, 1);
    const read = valueRead(op);
    if (read !== null) add(this.readsAhead, read, 1);
    if (op.value !== null && op.op !== 'incr') add(this.writers, String(op.value), 1);
  }

  private withVersions(ops: HistoryLine[]): HistoryLine[] {
    const versions = new Map<string, number>();
    if (this.counts || ops.some((op) => op.op === 'touch' || op.op === 'persist')) return ops;
    for (const op of ops) {
      const value = valueRead(op);
      if (value !== null && op.version !== undefined) versions.set(value, op.version);
    }
    return ops.map((op) => {
      const version = op.value === null ? undefined : versions.get(String(op.value));
      const isOnly = this.writers.get(String(op.value)) === 1;
      if (version === undefined || op.version !== undefined || !isOnly) return op;
      return op.status === 'unknown' || writes(op) ? { ...op, version } : op;
    });
  }

  private isPlainWrite(op: HistoryLine, i: number): boolean {
    const isBlind = op.op === 'put' && op.ttl_ms === undefined && op.version === undefined;
    return op.status === 'ok' && this.before[i] === -1 && isBlind && !this.counts;
  }
}

function add(counts: Map<string, number>, value: string, by: number): void {
  counts.set(value, (counts.get(value) ?? 0) + by);
}

function valueRead(op: HistoryLine): string | null {
  return op.op === 'get' && op.status === 'ok' && op.output !== null ? String(op.output) : null;
}

function valueMentioned(op: HistoryLine): string | null {
  const compared = op.op === 'cas' || op.op === 'cad' ? op.expected : null;
  return compared === null ? valueRead(op) : String(compared);
}

/** Whether a certain operation changed the key. */
function writes(op: HistoryLine): boolean {
  return op.op === 'put' || op.op === 'incr' || (op.op !== 'get' && op.output === 1);
}

/** What is told of a version is above the floor before a write, and the floor itself at most before anything else. */
function capOf(op: HistoryLine): number {
  if (op.status !== 'ok') return Infinity;
  const { op: kind, output, version, expected_version: wanted } = op;
  const isWanted = output === 1 && wanted !== undefined && wanted > 0;
  const cap = isWanted ? wanted : Infinity;
  const isAbsent = output === null ? kind !== 'put' : output === 0 && kind === 'put_if_present';
  if (version === undefined || version === 0 || isAbsent || kind === 'cad' || kind === 'del') return cap;
  if ((kind === 'touch' || kind === 'cas') && output === 0) return kind === 'cas' ? version : cap;
  return Math.min(cap, writes(op) ? version - 1 : version);
}
