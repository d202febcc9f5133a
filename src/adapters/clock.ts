/** The machine's clocks. The monotonic one starts anywhere and keeps fractions of a millisecond. */
import { performance } from 'node:perf_hooks';

import type { Clock } from '../ports/index.js';

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
};
