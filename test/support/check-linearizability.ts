/**
 * Is there one order of a key's operations, each at one moment between its call and its return, that explains every
 * output? The search of Wing and Gong with Lowe's memory of configurations (set of placed operations, state), one
 * key at a time (linearizability is local, so that keys are independent).
 *
 * - An unknown outcome may be placed anywhere after its call, or left out. Reads with unknown outcome say nothing
 *   and are dropped, and so are operations that certainly never happened.
 * - An operation that changes no state wherever it is possible (a read, a refused condition) is placed as soon as it
 *   is possible, without trying anything else: any order that has it later is as good without it there. This does
 *   not hold for a write that happens to leave the state as it is: later it might not.
 * - Among unknown operations that do the same, only the first one still free is tried: the others would lead to the
 *   same places. A write whose value nobody ever read does the same as any other such write.
 * - A value that certain reads are still waiting for, and that has one writer, is not overwritten: it would never come
 *   back. This is what keeps the search short when many outcomes are unknown.
 * - `before[i]`, when given, is the index of the operation that the same connection sent just before for this key:
 *   they take effect in that order. Operations with unknown outcome impose none.
 * - The search ends after `stepsMax` placements with "undecided", which callers treat as a failure.
 */
import type { HistoryLine } from './history-record.js';
import { ABSENT, NO_EXPIRY_SLACK, stepKey, type ExpiryBounds, type KeyState } from './check-key-model.js';

export type Verdict =
  | { readonly kind: 'linearizable' }
  | { readonly kind: 'undecided'; readonly steps: number }
  /** `stuck`: the operation that no order got past; the place to look at first. */
  | { readonly kind: 'violation'; readonly stuck: HistoryLine };

export interface SearchOptions {
  readonly stepsMax?: number;
  readonly bounds?: ExpiryBounds;
  readonly before?: readonly (number | null)[];
}

const STEPS_MAX = 2_000_000;

/** Checks the operations of one key. */
export function checkKey(lines: readonly HistoryLine[], options: SearchOptions = {}): Verdict {
  return new KeySearch(lines, options).run();
}

/** What the history as a whole says about the values of a key. */
class ValueFacts {
  readonly readsLeft: Map<string, number> | null;
  private readonly read = new Set<string>();

  constructor(ops: readonly HistoryLine[]) {
    const writers = new Map<string, number>();
    const reads = new Map<string, number>();
    for (const op of ops) {
      if (op.op === 'get' && op.status === 'ok' && op.output !== null) {
        this.read.add(String(op.output));
        reads.set(String(op.output), (reads.get(String(op.output)) ?? 0) + 1);
      }
      if (op.op === 'cas' && op.expected !== null) this.read.add(String(op.expected));
      if (op.value !== null) writers.set(String(op.value), (writers.get(String(op.value)) ?? 0) + 1);
    }
    // Counters come by the same value again and again.
    const repeats = ops.some((op) => op.op === 'incr');
    const single = [...reads].filter(([value]) => writers.get(value) === 1);
    this.readsLeft = repeats ? null : new Map(single);
  }

  /** Numbers for what unknown operations do; 0 for one that is like no other. */
  kinds(ops: readonly HistoryLine[]): Int32Array {
    const numbers = new Map<string, number>();
    const counts = ops.some((op) => op.op === 'incr');
    return Int32Array.from(ops, (op) => {
      const unread = !counts && !this.read.has(String(op.value)) && op.ttl_ms === undefined;
      const like =
        op.op === 'del' ||
        op.op === 'incr' ||
        ((op.op === 'put' || op.op === 'put_if_absent' || op.op === 'put_if_present') && unread);
      if (op.status !== 'unknown' || !like) return 0;
      const name = op.op === 'incr' ? `incr ${op.value}` : op.op;
      const known = numbers.get(name) ?? numbers.size + 1;
      numbers.set(name, known);
      return known;
    });
  }
}

/** What saw nothing there may have been what noticed an expiry, and that is a change. */
function isObserver(op: HistoryLine, expires: boolean): boolean {
  if (op.status !== 'ok') return false;
  switch (op.op) {
    case 'get':
      return op.output !== null || !expires;
    case 'put_if_absent':
      return op.output === 0;
    case 'cas':
    case 'cad':
      return op.output === 0 && (op.version !== 0 || !expires);
    case 'del':
    case 'put_if_present':
    case 'touch':
      return op.output === 0 && !expires;
    case 'persist':
      return op.output === 0 || (op.output === null && !expires);
    case 'put':
    case 'incr':
      return false;
  }
}

/** A placement that can be taken back: which operation, and the state before. */
interface Frame {
  readonly state: KeyState;
  /** What was placed to get here, all of it: one choice and the free moves behind it. */
  readonly placed: number[];
  readonly choices: readonly number[];
  nextChoice: number;
}

class KeySearch {
  private readonly ops: HistoryLine[] = [];
  private readonly before: (number | null)[] = [];
  /** 1 for operations that never change the key; they may only learn its version. */
  private readonly observes: Uint8Array;
  private readonly bounds: ExpiryBounds;
  private readonly stepsMax: number;
  /** Unknown operations with one kind do the same; 0 for all others. */
  private readonly kinds: Int32Array;
  /** Certain reads of a value that are not placed yet, for values with one writer; null when values repeat. */
  private readonly readsLeft: Map<string, number> | null;
  private readonly placed: Uint8Array;
  /** The same as `placed`, as bits: half of a configuration. */
  private readonly bits: Int32Array;
  /** No operation below this place is unplaced. */
  private requiredLeft = 0;
  private steps = 0;
  private readonly seen = new Map<number, { bits: Int32Array; state: string }[]>();
  private furthest = 0;
  private stuck: HistoryLine | null = null;

  constructor(lines: readonly HistoryLine[], options: SearchOptions) {
    this.bounds = options.bounds ?? NO_EXPIRY_SLACK;
    this.stepsMax = options.stepsMax ?? STEPS_MAX;
    const order = lines
      .map((line, i) => ({ line, i }))
      .filter(({ line }) => line.status !== 'fail' && !(line.status === 'unknown' && line.op === 'get'))
      .sort((a, b) => a.line.call_ns - b.line.call_ns || a.i - b.i);
    const place = new Map(order.map(({ i }, at) => [i, at]));
    for (const { line, i } of order) {
      this.ops.push(line);
      const earlier = options.before?.[i] ?? null;
      const binds = line.status === 'ok' && earlier !== null && lines[earlier]?.status === 'ok';
      this.before.push(binds ? (place.get(earlier) ?? null) : null);
      if (line.status === 'ok') this.requiredLeft++;
    }
    const expires = this.bounds.evicts === true || this.ops.some((op) => op.ttl_ms !== undefined);
    this.observes = Uint8Array.from(this.ops, (op) => (isObserver(op, expires) ? 1 : 0));
    const values = new ValueFacts(this.ops);
    this.readsLeft = values.readsLeft;
    this.kinds = values.kinds(this.ops);
    this.placed = new Uint8Array(this.ops.length);
    this.bits = new Int32Array((this.ops.length + 31) >> 5);
  }

  run(): Verdict {
    const stack: Frame[] = [this.open(ABSENT, [])];
    for (;;) {
      if (this.requiredLeft === 0) return { kind: 'linearizable' };
      const frame = stack[stack.length - 1] as Frame;
      if (frame.nextChoice >= frame.choices.length) {
        for (const i of frame.placed) this.unplace(i);
        stack.pop();
        if (stack.length === 0) return { kind: 'violation', stuck: this.stuck as HistoryLine };
        continue;
      }
      const i = frame.choices[frame.nextChoice++] as number;
      const next = stepKey(frame.state, this.ops[i] as HistoryLine, this.bounds);
      if (next === null || this.leavesReaders(frame.state, next)) continue;
      if (++this.steps > this.stepsMax) return { kind: 'undecided', steps: this.steps };
      this.place(i);
      const child = this.open(next, [i]);
      if (this.isNew(child.state)) stack.push(child);
      else for (const j of child.placed) this.unplace(j);
    }
  }

  /** Takes every free move from this state on, then lists the choices that are left. */
  private open(state: KeyState, placed: number[]): Frame {
    let choices = this.candidates();
    for (let moved = true; moved;) {
      moved = false;
      for (const i of choices) {
        if (this.observes[i] !== 1) continue;
        const next = stepKey(state, this.ops[i] as HistoryLine, this.bounds);
        // One that is the first to tell the version of what is there fixes it: that is a choice, and no free move.
        if (next === null || next.id !== state.id) continue;
        this.place(i);
        placed.push(i);
        moved = true;
      }
      if (moved) choices = this.candidates();
    }
    this.noteProgress();
    return { state, placed, choices, nextChoice: 0 };
  }

  /** Unplaced operations that no other unplaced one precedes in time; certain ones first. */
  private candidates(): number[] {
    const certain: number[] = [];
    const uncertain: number[] = [];
    const kindsSeen = new Set<number>();
    let earliestReturn = Infinity;
    for (let i = 0; i < this.ops.length; i++) {
      if (this.placed[i] === 1) continue;
      const op = this.ops[i] as HistoryLine;
      if (op.call_ns > earliestReturn) break;
      const before = this.before[i] ?? null;
      const blocked = before !== null && this.placed[before] !== 1;
      if (op.status === 'unknown') {
        const kind = this.kinds[i] as number;
        if (kind !== 0 && kindsSeen.has(kind)) continue;
        kindsSeen.add(kind);
        uncertain.push(i);
      } else {
        if (!blocked) certain.push(i);
        earliestReturn = Math.min(earliestReturn, op.return_ns as number);
      }
    }
    return certain.concat(uncertain);
  }

  private place(i: number): void {
    this.placed[i] = 1;
    this.bits[i >> 5] = (this.bits[i >> 5] as number) | (1 << (i & 31));
    this.count(this.ops[i] as HistoryLine, -1);
  }

  private unplace(i: number): void {
    this.placed[i] = 0;
    this.bits[i >> 5] = (this.bits[i >> 5] as number) & ~(1 << (i & 31));
    this.count(this.ops[i] as HistoryLine, 1);
  }

  private count(op: HistoryLine, by: number): void {
    if (op.status !== 'ok') return;
    this.requiredLeft += by;
    if (op.op !== 'get' || op.output === null) return;
    const left = this.readsLeft?.get(String(op.output));
    if (left !== undefined) this.readsLeft?.set(String(op.output), left + by);
  }

  /** Whether the value goes away although reads of it are still to come. */
  private leavesReaders(from: KeyState, to: KeyState): boolean {
    if (from.value === null || from.value === to.value) return false;
    return (this.readsLeft?.get(from.value) ?? 0) > 0;
  }

  /** Remembers the configuration; false when it was tried before. */
  private isNew(state: KeyState): boolean {
    let hash = 17;
    for (const word of this.bits) hash = Math.imul(hash ^ word, 0x01000193) ^ (hash >>> 15);
    const bucket = this.seen.get(hash);
    if (!bucket) {
      this.seen.set(hash, [{ bits: this.bits.slice(), state: state.id }]);
      return true;
    }
    for (const known of bucket) {
      if (known.state === state.id && known.bits.every((word, i) => word === this.bits[i])) return false;
    }
    bucket.push({ bits: this.bits.slice(), state: state.id });
    return true;
  }

  /** The first unplaced certain operation of the deepest try names the trouble. */
  private noteProgress(): void {
    const first = this.ops.findIndex((op, i) => op.status === 'ok' && this.placed[i] !== 1);
    if (first >= 0 && (this.stuck === null || first >= this.furthest)) {
      this.furthest = first;
      this.stuck = this.ops[first] as HistoryLine;
    }
  }
}
