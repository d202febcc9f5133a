/** The simulated world for conformance suites: the loop runs until a condition holds. */
import type { SimLoop } from '../sim/world/loop.js';
import type { ConformanceWorld } from './world.js';

const SIM_LIMIT_MS = 60_000;

export function simWorld(loop: SimLoop): ConformanceWorld {
  return {
    until(what, condition) {
      const endMs = loop.now() + SIM_LIMIT_MS;
      while (!condition()) {
        if (!loop.step(endMs)) return Promise.reject(new Error(`did not happen: ${what}`));
      }
      return Promise.resolve();
    },
    settle() {
      loop.runUntil(loop.now() + 3000);
      return Promise.resolve();
    },
  };
}
