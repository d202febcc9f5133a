/**
 * What one key may do: the sequential model behind the linearizability check. A pure step function from (state,
 * operation with its output) to the next state, or null when the output is impossible in that state.
 *
 * Expiry. A value with a time to live may vanish by itself, but never before `earliestNs` and never later than
 * `latestNs`. Nothing in the history says when it vanished, so the outputs decide: a `get` that saw nothing moves
 * the state to "absent", and from there only a write brings a value back. That is the rule "what one read saw as
 * gone is gone on every later leader".
 *
 * Eviction. Under a budget whatever is there may vanish at any moment, as if its time were over; it never comes back by
 * itself either. An INCR of unknown outcome then leaves one of several numbers: those that it may be are kept until an
 * answer says which.
 *
 * Versions. Every change gives the key a version above all that it had, also across a deletion. Not every answer tells
 * it: then it is open until an answer fixes it, and certainly above `floor`.
 */
import type { HistoryLine } from './history-record.js';

export interface KeyState {
  /** Two states with one `id` are the same state. */
  readonly id: string;
  /** null: absent. */
  readonly value: string | null;
  /** What may be there instead of `value`: after an INCR of unknown outcome on what may have been evicted. */
  readonly others: readonly string[];
  /** Absent before this moment is impossible unless deleted. Infinity without expiry. */
  readonly earliestNs: number;
  /** Present after this moment is impossible. Infinity without expiry, or when it is not known when it began. */
  readonly latestNs: number;
  /** Of what is there; null: not known, but above `floor`. */
  readonly version: number | null;
  /** The highest version that the key certainly had. */
  readonly floor: number;
}

export const ABSENT: KeyState = {
  id: '-',
  value: null,
  others: [],
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
  /** The shard is under a budget: a key may go at any moment. */
  readonly evicts?: boolean;
}

export const NO_EXPIRY_SLACK: ExpiryBounds = { earlyMs: 0, lateMs: 0 };

/** When a value ends by itself. */
interface Lifetime {
  readonly earliestNs: number;
  readonly latestNs: number;
}
const FOR_EVER: Lifetime = { earliestNs: Infinity, latestNs: Infinity };

function lifetime(o: HistoryLine, bounds: ExpiryBounds): Lifetime {
  if (o.ttl_ms === undefined) return FOR_EVER;
  const earliestNs = o.call_ns + (o.ttl_ms - bounds.earlyMs) * 1e6;
  // Log time may run slower than true time by a tenth while it is slewed, hence the factor.
  const latestNs = o.return_ns === null ? Infinity : o.return_ns + (o.ttl_ms * 1.2 + bounds.lateMs) * 1e6;
  return { earliestNs, latestNs };
}

function present(
  value: string,
  { earliestNs, latestNs }: Lifetime,
  version: number | null,
  floor: number,
  others: readonly string[] = [],
): KeyState {
  const ends = earliestNs === Infinity ? '' : `@${earliestNs}`;
  const known = version === null ? '' : `#${version}`;
  const either = others.length === 0 ? '' : `|${others.join('|')}`;
  return {
    id: `=${value}${either}${ends}${known}>${floor}`,
    value,
    others,
    earliestNs,
    latestNs,
    version,
    floor,
  };
}

function absent(floor: number): KeyState {
  return floor === 0 ? ABSENT : { ...ABSENT, id: `->${floor}`, floor };
}

/** A change by `o`: its version, when told, is above all before it. */
function changed(state: KeyState, o: HistoryLine, value: string, life: Lifetime, above = 0): KeyState | null {
  const floor = Math.max(state.floor, above);
  const version = o.status === 'ok' ? (o.version ?? null) : null;
  if (version !== null && version <= floor) return null;
  return present(value, life, version, version ?? floor);
}

/** What is there was seen: its version, when told, must be the one that it has, or may have. */
function seen(state: KeyState, o: HistoryLine): KeyState | null {
  if (o.version === undefined || o.version === state.version) return state;
  if (state.version !== null || o.version <= state.floor) return null;
  return present(state.value as string, state, o.version, o.version, state.others);
}

/** The state in which `value` is what is there; null when that can't be. */
function having(state: KeyState, value: string): KeyState | null {
  if (state.value === value)
    return state.others.length === 0 ? state : present(value, state, state.version, state.floor);
  return state.others.includes(value) ? present(value, state, state.version, state.floor) : null;
}

/** The next state, or null when `o` can't have had its output here. For unknown outcomes any output will do. */
export function stepKey(state: KeyState, o: HistoryLine, bounds: ExpiryBounds): KeyState | null {
  const known = o.status === 'ok';
  const endNs = o.return_ns ?? Infinity;
  const mayBePresent = state.value !== null && o.call_ns <= state.latestNs;
  // Without expiry `earliestNs` is Infinity, and so is the end of an unknown operation: hence the finite cap.
  const mayBeAbsent =
    state.value === null || bounds.evicts === true || state.earliestNs <= Math.min(endNs, Number.MAX_VALUE);
  const gone = absent(state.floor);
  const written = (): KeyState | null => changed(state, o, String(o.value), lifetime(o, bounds));
  switch (o.op) {
    case 'get':
      if (!known) return state;
      if (o.output === null) return mayBeAbsent ? gone : null;
      return mayBePresent ? sawValue(state, o) : null;
    case 'put':
      return written();
    case 'put_if_absent':
      if (known && o.output === 0) return mayBePresent ? seen(state, o) : null;
      return mayBeAbsent ? written() : null;
    case 'put_if_present':
      if (known && o.output === 0) return mayBeAbsent ? gone : null;
      return mayBePresent ? written() : null;
    case 'del':
      if (known) return o.output === 1 ? (mayBePresent ? gone : null) : mayBeAbsent ? gone : null;
      return state.value === null ? null : gone;
    case 'cas':
    case 'cad':
      return stepCompare(state, o, bounds, mayBePresent, mayBeAbsent);
    case 'incr':
      return stepIncr(state, o, bounds);
    case 'touch':
      if (known && o.output === 0) return mayBeAbsent ? gone : null;
      return mayBePresent ? changed(state, o, state.value as string, lifetime(o, bounds)) : null;
    case 'persist': {
      const ends = state.earliestNs !== Infinity;
      if (known && o.output === null) return mayBeAbsent ? gone : null;
      if (known && o.output === 0) return mayBePresent && !ends ? seen(state, o) : null;
      return mayBePresent && ends ? changed(state, o, state.value as string, FOR_EVER) : null;
    }
  }
}

function sawValue(state: KeyState, o: HistoryLine): KeyState | null {
  const exact = having(state, String(o.output));
  return exact === null ? null : seen(exact, o);
}

/** Adds to what is there, or to nothing where that may have been evicted before. */
function stepIncr(state: KeyState, o: HistoryLine, bounds: ExpiryBounds): KeyState | null {
  const by = Number(o.value);
  const before = state.value === null ? ['0'] : [state.value, ...state.others];
  if (bounds.evicts === true && !before.includes('0')) before.push('0');
  const after = before.map((value) => String(Number(value) + by));
  if (o.status === 'ok')
    return after.includes(String(o.output)) ? changed(state, o, String(o.output), FOR_EVER) : null;
  const [value = '', ...others] = after;
  const next = changed(state, o, value, FOR_EVER);
  return next === null ? null : present(value, FOR_EVER, next.version, next.floor, others.sort());
}

/** `cas` by value or by version, and `cad`. */
function stepCompare(
  state: KeyState,
  o: HistoryLine,
  bounds: ExpiryBounds,
  mayBePresent: boolean,
  mayBeAbsent: boolean,
): KeyState | null {
  const wanted = o.expected_version;
  const wantsAbsent = wanted === undefined ? o.expected === null : wanted === 0;
  const has =
    wanted === undefined
      ? state.value === String(o.expected) || state.others.includes(String(o.expected))
      : state.version === null
        ? wanted > state.floor
        : state.version === wanted;
  const canMatch = wantsAbsent ? mayBeAbsent : mayBePresent && has;
  if (o.status !== 'ok' || o.output === 1) {
    if (!canMatch) return null;
    const above = wanted ?? 0;
    if (o.op === 'cad') return absent(Math.max(state.floor, above));
    return changed(state, o, String(o.value), lifetime(o, bounds), above);
  }
  const hasForCertain = wanted === undefined ? has && state.others.length === 0 : state.version === wanted;
  const mustMatch = wantsAbsent ? !mayBePresent : hasForCertain && !mayBeAbsent;
  if (mustMatch) return null;
  if (o.version === undefined) return state;
  if (o.version === 0) return mayBeAbsent ? absent(state.floor) : null;
  return mayBePresent ? seen(state, o) : null;
}
