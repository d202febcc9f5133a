/**
 * Node's event loop as the `Timers` port. `soon` is `setImmediate`: it runs after the sockets were polled, which is
 * what "one turn" means to the host loop.
 */
import type { Timers } from '../ports/index.js';

/** Above this Node fires at once; a wait of 24 days is cut, never turned into none. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, Math.ceil(delayMs)), DELAY_MS_MAX));
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};
