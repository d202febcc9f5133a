/** One timer for many wishes: it fires at the earliest, and whoever listens looks what is due. */
import type { MonoMs } from '../base/index.js';
import type { CancelTimer, Clock, Timers } from '../ports/index.js';

export class SingleTimer {
  private dueAt: MonoMs = Infinity;
  private cancelTimer: CancelTimer | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly fire: () => void,
  ) {}

  /** Fires at `at` or before; Infinity wishes for nothing. */
  by(at: MonoMs): void {
    if (at >= this.dueAt) return;
    this.cancelTimer?.();
    this.dueAt = at;
    this.cancelTimer = this.timers.after(Math.max(0, at - this.clock.monoMs()), () => {
      this.dueAt = Infinity;
      this.cancelTimer = null;
      this.fire();
    });
  }

  cancel(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.dueAt = Infinity;
  }
}
