/** Breaks the rule: a loop that takes the real clock by itself. */
import { systemClock } from '../adapters/index.js';

export const now = systemClock;
