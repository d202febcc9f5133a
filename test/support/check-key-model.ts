/**
 * What one key may do: the sequential model behind the linearizability check. A pure step function from (state,
 * operation with its output) to the next state, or null when the output is impossible in that state.
 *
 * Expiry. A value with a time to live may vanish by itself (`fade`), but never before `earliestNs`, and nothing called
 * after `latestNs` finds it. Nothing in the history says when it vanished, so the outputs decide: that is a move of
 * its own, and from there only a write brings a value back. That is the rule "what one read saw as gone is gone on
 * every later leader".
 *
 * Eviction. Under a budget whatever is there may fade at any moment, as if its time were over.
 *
 * Versions. Every change gives the key a version above all that it had, also across a deletion. Not every answer tells
 * it: then it is open until an answer fixes it, and certainly above `floor`.
 */
import type { HistoryLine } from './history-record.js';

export interface KeyState {
  /** null: absent. */
  readonly value: string | null;
  /** Absent before this moment is impossible unless deleted. Infinity without expiry. */
  readonly earliestNs: number;
  /** Found by what was called after this moment is impossible. Infinity without expiry, or when not known. */
  readonly latestNs: number;
  /** Of what is there; null: not known, but above `floor`. */
  readonly version: number | null;
  /** The highest version that the key certainly had. */
  readonly floor: number;
}

export const ABSENT: KeyState = {
  value: null,
  earliestNs: Infinity,
  latestNs: Infinity,
  version: null,
  floor: 0,
};

/** How far the clocks that decide on expiry may be off. */
export interface ExpiryBounds {
  /** A key may go this much before its time (clock offsets). */
  readonly earlyMs: number;
  /** It may stay this much longer (clock offsets, slowed log time). */
  readonly lateMs: number;
  /** The shard is under a budget: whatever is there may go at any moment. */
  readonly evicts?: boolean;
}

export const NO_EXPIRY_SLACK: ExpiryBounds = { earlyMs: 0, lateMs: 0 };

/** When a value ends by itself. */
interface Lifetime {
  readonly earliestNs: number;
  readonly latestNs: number;
}
const FOR_EVER: Lifetime = { earliestNs: Infinity, latestNs: Infinity };
/** Under a budget. */
const FOR_A_WHILE: Lifetime = { earliestNs: 0, latestNs: Infinity };

function endless({ evicts }: ExpiryBounds): Lifetime {
  return evicts === true ? FOR_A_WHILE : FOR_EVER;
}

export function lifetime(o: HistoryLine, bounds: ExpiryBounds): Lifetime {
  if (o.ttl_ms === undefined) return endless(bounds);
  const earliestNs = bounds.evicts === true ? 0 : o.call_ns + (o.ttl_ms - bounds.earlyMs) * 1e6;
  // Log time may run slower than true time by a tenth while it is slewed, hence the factor.
  const latestNs = o.return_ns === null ? Infinity : o.return_ns + (o.ttl_ms * 1.2 + bounds.lateMs) * 1e6;
  return { earliestNs, latestNs };
}

export function isSameState(a: KeyState, b: KeyState): boolean {
  return (
    a === b ||
    (a.value === b.value &&
      a.version === b.version &&
      a.floor === b.floor &&
      a.earliestNs === b.earliestNs &&
      a.latestNs === b.latestNs)
  );
}

function present(value: string, life: Lifetime, version: number | null, floor: number): KeyState {
  return { value, earliestNs: life.earliestNs, latestNs: life.latestNs, version, floor };
}

export function absent(floor: number): KeyState {
  return floor === 0 ? ABSENT : { ...ABSENT, floor };
}

/** A change by `o`: its version, when told, is above all before it. */
function changed(state: KeyState, o: HistoryLine, value: string, life: Lifetime, above = 0): KeyState | null {
  const floor = Math.max(state.floor, above);
  const version = o.version ?? null;
  if (version !== null && version <= floor) return null;
  return present(value, life, version, version ?? floor);
}

/** What is there was seen: its version, when told, must be the one that it has, or may have. */
function seen(state: KeyState, o: HistoryLine): KeyState | null {
  if (o.version === undefined || o.version === state.version) return state;
  if (state.version !== null || o.version <= state.floor) return null;
  return present(state.value as string, state, o.version, o.version);
}

/** What is there goes by itself, at `untilNs` at the latest; null when that is too early, or nothing is there. */
export function fade(state: KeyState, untilNs: number): KeyState | null {
  if (state.value === null || state.earliestNs === Infinity || state.earliestNs > untilNs) return null;
  return absent(state.floor);
}

/** The next state, or null when `o` can't have had its output here. For unknown outcomes any output will do. */
export function stepKey(state: KeyState, o: HistoryLine, bounds: ExpiryBounds): KeyState | null {
  const known = o.status === 'ok';
  const isAbsent = state.value === null;
  const isPresent = !isAbsent && o.call_ns <= state.latestNs;
  const written = (): KeyState | null => changed(state, o, String(o.value), lifetime(o, bounds));
  switch (o.op) {
    case 'get':
      if (!known) return state;
      if (o.output === null) return isAbsent ? state : null;
      return isPresent && state.value === o.output ? seen(state, o) : null;
    case 'put':
      return written();
    case 'put_if_absent':
      if (known && o.output === 0) return isPresent ? seen(state, o) : null;
      return isAbsent ? written() : null;
    case 'put_if_present':
      if (known && o.output === 0) return isAbsent ? state : null;
      return isPresent ? written() : null;
    case 'del':
      if (known && o.output === 0) return isAbsent ? state : null;
      return isPresent ? absent(state.floor) : null;
    case 'cas':
    case 'cad':
      return stepCompare(state, o, bounds, isPresent);
    case 'incr': {
      if (!isAbsent && !isPresent) return null;
      const next = Number(state.value ?? '0') + Number(o.value);
      if (!Number.isSafeInteger(next) || (known && o.output !== next)) return null;
      return changed(state, o, String(next), isAbsent ? endless(bounds) : state);
    }
    case 'touch':
      if (known && o.output === 0) return isAbsent ? state : null;
      return isPresent ? changed(state, o, state.value as string, lifetime(o, bounds)) : null;
    case 'persist': {
      // Under a budget everything may end: what had a time to live can't be told from what hadn't.
      const mayEnd = state.earliestNs !== Infinity;
      const mayStay = !mayEnd || bounds.evicts === true;
      if (known && o.output === null) return isAbsent ? state : null;
      if (known && o.output === 0) return isPresent && mayStay ? seen(state, o) : null;
      return isPresent && mayEnd ? changed(state, o, state.value as string, endless(bounds)) : null;
    }
  }
}

/** `cas` by value or by version, and `cad`. */
function stepCompare(
  state: KeyState,
  o: HistoryLine,
  bounds: ExpiryBounds,
  isPresent: boolean,
): KeyState | null {
  if (state.value !== null && !isPresent) return null;
  const wanted = o.expected_version;
  const wantsAbsent = wanted === undefined ? o.expected === null : wanted === 0;
  const has =
    wanted === undefined
      ? state.value === String(o.expected)
      : state.version === null
        ? wanted > state.floor
        : state.version === wanted;
  if (o.status !== 'ok' || o.output === 1) {
    if (wantsAbsent ? isPresent : !isPresent || !has) return null;
    const above = wanted ?? 0;
    if (o.op === 'cad') return absent(Math.max(state.floor, above));
    return changed(state, o, String(o.value), lifetime(o, bounds), above);
  }
  // Where the version is open, it may be another one.
  const hasForCertain = wanted === undefined ? has : state.version === wanted;
  if (wantsAbsent ? !isPresent : isPresent && hasForCertain) return null;
  if (o.version === undefined) return state;
  if (o.version === wanted) return null;
  if (o.version === 0) return isPresent ? null : state;
  return isPresent ? seen(state, o) : null;
}
