/** Waiting times before something is tried again: they double up to a limit, and half of each is chance. */
import type { Entropy } from '../ports/index.js';

const DOUBLINGS_MAX = 16;

/** Milliseconds to wait after `failures` failures in a row (1 or more): within [w / 2, w], w = base * 2^(failures - 1). */
export function backoffMs(entropy: Entropy, failures: number, baseMs: number, maxMs: number): number {
  const wholeMs = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, DOUBLINGS_MAX));
  const fixedMs = wholeMs / 2;
  return fixedMs + entropy.below(Math.floor(fixedMs) + 1);
}
