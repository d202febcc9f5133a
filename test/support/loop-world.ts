/**
 * What the tests of the loop and the gateway stand on: virtual time, a node's clock and timers, a quiet logger, and
 * `fatal` as an exception. Nothing runs by itself: a test moves time with `run`.
 */
import { MetricsRegistry, Prng, type Fatal } from '../../src/base/index.js';
import type { Entropy, Logger } from '../../src/ports/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { NodeClock, NodeTimers, SeededEntropy } from '../sim/world/ports.js';

export class LoopWorld {
  readonly loop = new SimLoop();
  readonly prng: Prng;
  readonly clock: NodeClock;
  readonly timers: NodeTimers;
  readonly entropy: Entropy;
  readonly metrics = new MetricsRegistry();
  private clocks = 0;

  constructor(seed = 1) {
    this.prng = new Prng(seed);
    this.clock = this.nodeClock();
    this.timers = this.timersOf(this.clock);
    this.entropy = new SeededEntropy(this.prng.stream('entropy'));
  }

  /** Another node's clock; its wall clock is off by so much, and both run at this rate. */
  nodeClock(wallOffsetMs = 0, rate = 1): NodeClock {
    const clock = new NodeClock(this.loop, rate, 1000 * ++this.clocks);
    clock.wallOffsetMs = wallOffsetMs;
    return clock;
  }

  timersOf(clock: NodeClock): NodeTimers {
    return new NodeTimers(this.loop, this.loop.owner(), clock, 'timer');
  }

  /** Lets so much time pass, and everything happen that is due in it. */
  run(ms: number): void {
    this.loop.runUntil(this.loop.now() + ms);
  }

  /** Lets time pass until `holds`; fails after `ms`. */
  until(holds: () => boolean, what: string, ms = 20_000): void {
    const endMs = this.loop.now() + ms;
    while (!holds()) {
      if (this.loop.now() >= endMs) throw new Error(`not within ${ms} ms: ${what}`);
      this.run(5);
    }
  }

  /** Sum of a counter over all labels that agree with `labels`. */
  count(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const family = this.metrics.list().find((f) => f.name === name);
    if (family === undefined) return 0;
    let sum = 0;
    for (const { labels: own, cell } of family.cells) {
      const agrees = Object.entries(labels).every(([key, value]) => own[key] === value);
      if (agrees && 'value' in cell) sum += cell.value;
    }
    return sum;
  }
}

export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLogger,
};

export const throwingFatal: Fatal = (reason, message, cause) => {
  throw new Error(`fatal ${reason}: ${message} (${String(cause)})`);
};
