/** Breaks the rule: a loop with its own timers, clocks and dice, under every name they go by. */
import { randomBytes } from 'crypto';

export function turn(): void {
  setTimeout(turn, 1);
  setInterval(turn, 1);
  setImmediate(turn);
  queueMicrotask(turn);
  process.nextTick(turn);
  globalThis.setTimeout(turn, Date.now() + performance.now() + Math.random());
  randomBytes(process.hrtime()[0]);
}
