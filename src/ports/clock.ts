import type { MonoMs, WallMs } from '../base/index.js';

/** Two clocks that are never mixed: `wallMs` may jump, `monoMs` never goes back and measures durations. */
export interface Clock {
  wallMs(): WallMs;
  monoMs(): MonoMs;
}

/** Cancels a timer; harmless when it has fired or was cancelled. */
export type CancelTimer = () => void;

/** The event loop. Callbacks never run inside the call that registered them. */
export interface Timers {
  /** Runs `run` once, at least `delayMs` from now. */
  after(delayMs: number, run: () => void): CancelTimer;
  /** Runs `run` once, after the input that is already waiting was polled (one turn of the event loop). */
  soon(run: () => void): void;
}

/** Unpredictable numbers (ids, seeds, jitter); seeded in the simulator. */
export interface Entropy {
  u32(): number;
  /** Uniform over [0, limit). */
  below(limit: number): number;
  bytes(count: number): Uint8Array;
}
