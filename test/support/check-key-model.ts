/**
 * What one key may do: the sequential model behind the linearizability check. A pure step function from (state,
 * operation with its output) to the next state, or null when the output is impossible in that state.
 *
 * Expiry. A value with a time to live may vanish by itself, but never before `earliestNs` and never later than
 * `latestNs`. Nothing in the history says when it vanished, so the outputs decide: a `get` that saw nothing moves
 * the state to "absent", and from there only a write brings a value back. That is the rule "what one read saw as
 * gone is gone on every later leader".
 */
import type { HistoryLine } from './history-record.js';

export interface KeyState {
  /** Two states with one `id` are the same state. */
  readonly id: string;
  /** null: absent. */
  readonly value: string | null;
  /** Absent before this moment is impossible unless deleted. Infinity without expiry. */
  readonly earliestNs: number;
  /** Present after this moment is impossible. Infinity without expiry, or when it is not known when it began. */
  readonly latestNs: number;
}

export const ABSENT: KeyState = { id: '-', value: null, earliestNs: Infinity, latestNs: Infinity };

/** How far the clocks that decide on expiry may be off. */
export interface ExpiryBounds {
  /** A key may go this much before its time (clock offsets). */
  readonly earlyMs: number;
  /** It may stay this much longer (clock offsets, slowed log time). */
  readonly lateMs: number;
}

export const NO_EXPIRY_SLACK: ExpiryBounds = { earlyMs: 0, lateMs: 0 };

function present(value: string): KeyState {
  return { id: `=${value}`, value, earliestNs: Infinity, latestNs: Infinity };
}

function written(o: HistoryLine, bounds: ExpiryBounds): KeyState {
  const value = String(o.value);
  if (o.ttl_ms === undefined) return present(value);
  const earliestNs = o.call_ns + (o.ttl_ms - bounds.earlyMs) * 1e6;
  // Log time may run slower than true time by a tenth while it is slewed, hence the factor.
  const latestNs = o.return_ns === null ? Infinity : o.return_ns + (o.ttl_ms * 1.2 + bounds.lateMs) * 1e6;
  return { id: `=${value}@${earliestNs}`, value, earliestNs, latestNs };
}

/** The next state, or null when `o` can't have had its output here. For unknown outcomes any output will do. */
export function stepKey(state: KeyState, o: HistoryLine, bounds: ExpiryBounds): KeyState | null {
  const known = o.status === 'ok';
  const endNs = o.return_ns ?? Infinity;
  const mayBePresent = state.value !== null && o.call_ns <= state.latestNs;
  // Without expiry `earliestNs` is Infinity, and so is the end of an unknown operation: hence the finite cap.
  const mayBeAbsent = state.value === null || state.earliestNs <= Math.min(endNs, Number.MAX_VALUE);
  switch (o.op) {
    case 'get':
      if (!known) return state;
      if (o.output === null) return mayBeAbsent ? ABSENT : null;
      return mayBePresent && state.value === o.output ? state : null;
    case 'put':
      return written(o, bounds);
    case 'put_if_absent':
      if (known)
        return o.output === 1 ? (mayBeAbsent ? written(o, bounds) : null) : mayBePresent ? state : null;
      return mayBeAbsent ? written(o, bounds) : null;
    case 'del':
      if (known) return o.output === 1 ? (mayBePresent ? ABSENT : null) : mayBeAbsent ? ABSENT : null;
      return state.value === null ? null : ABSENT;
    case 'cas': {
      const canMatch = o.expected === null ? mayBeAbsent : mayBePresent && state.value === String(o.expected);
      if (!known || o.output === 1) return canMatch ? present(String(o.value)) : null;
      const mustMatch =
        o.expected === null ? !mayBePresent : state.value === String(o.expected) && !mayBeAbsent;
      return mustMatch ? null : state;
    }
    case 'incr': {
      const next = Number(state.value ?? '0') + Number(o.value);
      return !known || o.output === next ? present(String(next)) : null;
    }
  }
}
