/**
 * Is there one order of a key's operations, each at one moment between its call and its return, that explains every
 * output? One key at a time: linearizability is local, so that keys are independent.
 *
 * The search goes through time once, with the set of all configurations (state, open operations not placed yet, unknown
 * ones used) that explain everything up to now; "just in time": an operation is placed when its own return, or that of
 * one that needs it, makes it necessary. When the set becomes empty, the operation that returned then has no place.
 *
 * - An unknown outcome may be placed anywhere after its call, or left out (linearization-unknowns.ts). It is placed
 *   only right before an operation that can't do without: in any order that explains, one that the next operation does
 *   not need can be moved behind it.
 * - What certainly writes nothing is placed as soon as its output fits the state: any order that has it later is as good
 *   without it there, since elsewhere it can only narrow down what is there.
 * - A configuration that another one covers is dropped (linearization-configurations.ts), and what makes no
 *   difference any more (values without readers, times that are over) is made alike before they are compared.
 * - A value that certain reads are still waiting for, and that has one writer, is not overwritten: it would never come
 *   back. And no version is passed that is still to be told.
 * - `before[i]`, when given, is the index of the operation that the same connection sent just before for this key:
 *   they take effect in that order. Operations with unknown outcome impose none.
 * - The search ends after `stepsMax` placements with "undecided", which callers treat as a failure.
 */
import type { HistoryLine } from './history-record.js';
import {
  ABSENT,
  absent,
  fade,
  isSameState,
  NO_EXPIRY_SLACK,
  stepKey,
  type ExpiryBounds,
  type KeyState,
} from './check-key-model.js';
import { coversState, Frontier, type Configuration } from './linearization-configurations.js';
import { JUNK, KeyFacts } from './linearization-facts.js';
import {
  commonUse,
  joinKinds,
  NOTHING_USED,
  UnknownKinds,
  use,
  usedOf,
  withoutUse,
  type Used,
} from './linearization-unknowns.js';

export type Verdict =
  | { readonly kind: 'linearizable'; readonly steps: number }
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

class OutOfSteps extends Error {}

class KeySearch {
  private readonly facts: KeyFacts;
  private readonly ops: readonly HistoryLine[];
  private readonly unknowns: UnknownKinds;
  private readonly bounds: ExpiryBounds;
  private readonly stepsMax: number;
  private stepCount = 0;
  private configurations: Configuration[];
  /** Certain operations that were called and have not returned. */
  private readonly running = new Set<number>();
  /** The latest return that was passed, or the one that is being explained: nothing placed from now on returned before. */
  private nowNs = -1;

  constructor(lines: readonly HistoryLine[], options: SearchOptions) {
    this.bounds = options.bounds ?? NO_EXPIRY_SLACK;
    this.stepsMax = options.stepsMax ?? STEPS_MAX;
    this.facts = new KeyFacts(lines, options.before ?? [], this.bounds.evicts === true);
    this.ops = this.facts.ops;
    this.unknowns = new UnknownKinds(this.facts, this.bounds);
    this.configurations = [{ state: ABSENT, open: [], used: NOTHING_USED, via: null, isCovered: false }];
  }

  run(): Verdict {
    try {
      const stuck = this.goThroughTime();
      if (stuck !== null) return { kind: 'violation', stuck };
      return { kind: 'linearizable', steps: this.stepCount };
    } catch (error) {
      if (error instanceof OutOfSteps) return { kind: 'undecided', steps: this.stepCount };
      throw error;
    }
  }

  /** null, or the operation that has no place. */
  private goThroughTime(): HistoryLine | null {
    const { ops } = this;
    const returns = ops.map((_, i) => i).filter((i) => ops[i]?.status === 'ok');
    const returnNs = (i: number): number => ops[i]?.return_ns as number;
    returns.sort((a, b) => returnNs(a) - returnNs(b));
    let called = 0;
    for (const i of returns) {
      // What is called at the moment of a return overlaps.
      while (called < ops.length && (ops[called] as HistoryLine).call_ns <= returnNs(i)) this.call(called++);
      this.nowNs = returnNs(i);
      this.placeBeforeReturn(i);
      if (this.configurations.length === 0) return ops[i] as HistoryLine;
      this.running.delete(i);
      this.facts.onReturn(i);
      this.makeAlike();
    }
    return null;
  }

  private call(i: number): void {
    const op = this.ops[i] as HistoryLine;
    this.facts.onCall(i);
    if (op.status === 'unknown') {
      this.unknowns.add(op);
      return;
    }
    this.running.add(i);
    this.configurations = this.configurations.map(({ state, open, used }) =>
      this.settled(state, [...open, i], used, null),
    );
  }

  // ---- what a return demands -------------------------------------------------------------------------------------

  private placeBeforeReturn(i: number): void {
    const done = new Frontier(this.nowNs);
    const tried = new Frontier(this.nowNs);
    const queue: Configuration[] = [];
    for (const configuration of this.configurations) {
      if (!configuration.open.includes(i)) done.add(configuration);
      else if (tried.add(configuration)) queue.push(configuration);
    }
    if (queue.length === 0) return;
    const visit = (found: Configuration): void => {
      if (!found.open.includes(i)) done.add(found.via === null ? found : { ...found, via: null });
      else if (tried.add(found)) queue.push(found);
    };
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (next.isCovered) continue;
      this.tryCertain(next, visit);
      this.tryUnknown(next, visit);
    }
    this.configurations = done.all();
  }

  private tryCertain(at: Configuration, visit: (found: Configuration) => void): void {
    let plain = -1;
    for (const i of at.open) {
      if (this.isBlocked(i, at.open)) continue;
      if (this.facts.isPlain[i] === 1 && this.facts.isJunk(String(this.ops[i]?.value))) {
        // Among writes that are alike, the first to return goes first.
        if (plain < 0 || this.returnsBefore(i, plain)) plain = i;
      } else this.placeCertain(at, i, visit);
    }
    if (plain >= 0) this.placeCertain(at, plain, visit);
  }

  private returnsBefore(i: number, j: number): boolean {
    return (this.ops[i]?.return_ns as number) < (this.ops[j]?.return_ns as number);
  }

  private placeCertain(at: Configuration, i: number, visit: (found: Configuration) => void): void {
    const op = this.ops[i] as HistoryLine;
    const open = at.open.filter((j) => j !== i);
    for (const next of this.steps(at.state, op, open)) {
      if (this.facts.isTooLate(next, open) || this.isIdle(at, op, open, next)) continue;
      visit(this.settled(next, open, at.used, null));
    }
  }

  /** The unknown operation placed last might as well be placed behind this one. */
  private isIdle(at: Configuration, op: HistoryLine, open: readonly number[], next: KeyState): boolean {
    if (at.via === null) return false;
    const { from, kind } = at.via;
    const isCovered = (state: KeyState): boolean => coversState(state, next, this.nowNs);
    return this.steps(from.state, op, open).some(
      (without) => isCovered(without) || this.steps(without, this.unknowns.line(kind), open).some(isCovered),
    );
  }

  private tryUnknown(at: Configuration, visit: (found: Configuration) => void): void {
    for (const { number: kind, line, left } of this.unknowns.all()) {
      if (usedOf(at.used, kind) >= left) continue;
      if (line.op === 'incr' && this.countsTooFar(at, line)) continue;
      for (const next of this.steps(at.state, line, at.open)) {
        if (coversState(at.state, next, this.nowNs) || this.facts.isTooLate(next, at.open)) continue;
        visit(this.settled(next, at.open, use(at.used, kind), { from: at, kind }));
      }
    }
  }

  /** No open operation looks for a number so high; where nothing but numbers matters. */
  private countsTooFar(at: Configuration, line: HistoryLine): boolean {
    const { state, open } = at;
    if (state.value === null || state.earliestNs !== Infinity || !this.facts.onlyCounts) return false;
    const next = Number(state.value) + Number(line.value);
    return !open.some((i) => {
      const { op, output, value } = this.ops[i] as HistoryLine;
      const sought =
        op === 'incr' ? Number(output) - Number(value) : op === 'get' ? Number(output) : -Infinity;
      return sought >= next;
    });
  }

  // ---- one step --------------------------------------------------------------------------------------------------

  /** What the operation leads to: from what is there, and, where that may have expired by now, from nothing. */
  private steps(state: KeyState, op: HistoryLine, open: readonly number[]): KeyState[] {
    if (++this.stepCount > this.stepsMax) throw new OutOfSteps();
    const found: KeyState[] = [];
    const next = stepKey(state, op, this.bounds);
    if (next !== null && !this.facts.leavesReaders(state, next, open)) found.push(this.canonical(next));
    const gone = fade(state, this.nowNs);
    if (gone === null || this.facts.leavesReaders(state, gone, open)) return found;
    const behind = stepKey(gone, op, this.bounds);
    if (behind === null) return found;
    const after = this.canonical(behind);
    if (!found.some((other) => coversState(other, after, this.nowNs))) found.push(after);
    return found;
  }

  private isBlocked(i: number, open: readonly number[]): boolean {
    const before = this.facts.before[i] as number;
    return before >= 0 && (open.includes(before) || !this.facts.isCalled(before));
  }

  /** The configuration after everything was placed that fits and writes nothing. */
  private settled(
    state: KeyState,
    open: readonly number[],
    used: Used,
    via: Configuration['via'],
  ): Configuration {
    let left = open;
    for (let moved = true; moved;) {
      moved = false;
      for (const i of left) {
        if (this.facts.observes[i] !== 1 || this.isBlocked(i, left)) continue;
        const next = stepKey(state, this.ops[i] as HistoryLine, this.bounds);
        // One that is the first to tell the version of what is there fixes it: that is a choice.
        if (next === null || !isSameState(next, state)) continue;
        left = left.filter((j) => j !== i);
        moved = true;
        break;
      }
    }
    // Somebody needed it.
    return { state, open: left, used, via: left.length < open.length ? null : via, isCovered: false };
  }

  // ---- as time goes by -------------------------------------------------------------------------------------------

  private canonical(state: KeyState): KeyState {
    if (state.value === null) return state;
    const value = this.facts.isJunk(state.value) ? JUNK : state.value;
    const earliestNs = state.earliestNs <= this.nowNs ? 0 : state.earliestNs;
    if (value === state.value && earliestNs === state.earliestNs) return state;
    return { ...state, value, earliestNs };
  }

  private makeAlike(): void {
    if (this.facts.expires) this.dropExpired();
    const joined = this.unknowns.advance(this.nowNs, this.oldestLatestNs());
    const frontier = new Frontier(this.nowNs);
    for (const configuration of this.configurations) {
      const used = joined === null ? configuration.used : joinKinds(configuration.used, joined);
      frontier.add({ ...configuration, state: this.canonical(configuration.state), used, via: null });
    }
    this.configurations = frontier.all();
    const common = this.configurations.map(({ used }) => used).reduce(commonUse);
    if (common.length === 0) return;
    this.unknowns.consume(common);
    this.configurations = this.configurations.map((c) => ({ ...c, used: withoutUse(c.used, common) }));
  }

  /** What nobody can find any more is absent. */
  private dropExpired(): void {
    let firstCallNs = this.nowNs;
    for (const i of this.running) firstCallNs = Math.min(firstCallNs, (this.ops[i] as HistoryLine).call_ns);
    this.configurations = this.configurations.map((c) => {
      const { state } = c;
      if (state.value === null || state.latestNs >= firstCallNs || this.unknowns.mayFind(state.latestNs))
        return c;
      return { ...c, state: absent(state.floor) };
    });
  }

  /** The first end of a value that may be there, now or later. */
  private oldestLatestNs(): number {
    let oldest = Infinity;
    for (const { state } of this.configurations) oldest = Math.min(oldest, state.latestNs);
    for (const i of this.running) {
      const { ttl_ms: ttl, return_ns: end } = this.ops[i] as HistoryLine;
      if (ttl !== undefined) oldest = Math.min(oldest, end as number);
    }
    return oldest;
  }
}
