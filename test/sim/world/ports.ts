/**
 * A node's view of time, chance and paper: clock, timers, entropy and logger over the loop. Each node has clocks of
 * its own, wrong by an offset and a rate that outlive its crashes, as a machine's clock does. The true time is the
 * loop's, and no node ever sees it.
 */
import type { Prng } from '../../../src/base/index.js';
import type { Clock, Compressor, Entropy, LogFields, Logger, Timers } from '../../../src/ports/index.js';
import type { Owner, SimLoop } from './loop.js';

/** Where the simulated calendar begins: any fixed moment will do. */
const EPOCH_MS = 1_800_000_000_000;

/** A turn of the event loop is not free: it also keeps `soon` chains from stopping time. */
const TURN_MS = 0.01;

export class NodeClock implements Clock {
  /** Moves the wall clock; faults change it while the node runs. */
  wallOffsetMs = 0;
  private monoRate: number;
  /** The monotonic clock showed `fromMonoMs` at `fromMs`, when its rate was last set. */
  private fromMs = 0;
  private fromMonoMs: number;

  constructor(
    private readonly loop: SimLoop,
    /** Milliseconds of this node's wall clock per true millisecond; near 1. */
    private readonly wallRate: number,
    monoStartMs: number,
  ) {
    this.monoRate = wallRate;
    this.fromMonoMs = monoStartMs;
  }

  /** Milliseconds of the monotonic clock per true millisecond. */
  get rate(): number {
    return this.monoRate;
  }

  /** The monotonic clock drifts from now on: it runs at this rate, without a jump. 0: its own again. */
  setRate(rate: number): void {
    this.fromMonoMs = this.monoMs();
    this.fromMs = this.loop.now();
    this.monoRate = rate === 0 ? this.wallRate : rate;
  }

  monoMs(): number {
    return this.fromMonoMs + (this.loop.now() - this.fromMs) * this.monoRate;
  }

  wallMs(): number {
    return Math.floor(EPOCH_MS + this.loop.now() * this.wallRate + this.wallOffsetMs);
  }
}

export class NodeTimers implements Timers {
  constructor(
    private readonly loop: SimLoop,
    private readonly owner: Owner,
    private readonly clock: NodeClock,
    private readonly name: string,
  ) {}

  after(delayMs: number, run: () => void): () => void {
    return this.loop.schedule(this.owner, Math.max(delayMs / this.clock.rate, TURN_MS), () => {
      this.loop.note(this.name);
      run();
    });
  }

  soon(run: () => void): void {
    this.loop.schedule(this.owner, TURN_MS, run);
  }
}

export class SeededEntropy implements Entropy {
  constructor(private readonly prng: Prng) {}

  u32(): number {
    return this.prng.u32();
  }

  below(limit: number): number {
    return this.prng.below(limit);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.prng.below(256));
  }
}

/** Keeps the last lines of a node for the report of a failure; formats only what is shown. */
export class KeptLog {
  private readonly lines: { atMs: number; level: string; event: string; fields: LogFields }[] = [];

  constructor(
    private readonly loop: SimLoop,
    private readonly name: string,
    private readonly print: ((line: string) => void) | null,
    private readonly heard: (event: string, fields: LogFields) => void,
    private readonly linesMax = 200,
  ) {}

  logger(bound: LogFields = {}): Logger {
    const at =
      (level: string) =>
      (event: string, fields: LogFields = {}): void =>
        this.add(level, event, { ...bound, ...fields });
    return {
      // Debug lines are many and cost the most: they are kept only when they are shown.
      debug: this.print === null ? () => undefined : at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => this.logger({ ...bound, ...fields }),
    };
  }

  add(level: string, event: string, fields: LogFields): void {
    const line = { atMs: this.loop.now(), level, event, fields };
    this.heard(event, fields);
    if (this.print !== null) this.print(this.format(line));
    this.lines.push(line);
    if (this.lines.length > this.linesMax) this.lines.shift();
  }

  tail(): string[] {
    return this.lines.map((line) => this.format(line));
  }

  private format(line: { atMs: number; level: string; event: string; fields: LogFields }): string {
    const time = line.atMs.toFixed(2).padStart(10);
    return `${time} ${this.name} ${line.level} ${line.event} ${describeFields(line.fields)}`;
  }
}

function describeFields(fields: LogFields): string {
  return JSON.stringify(fields, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Error) return value.message;
    return value;
  });
}

/** Frames that are their own content: the real codec has tests of its own, and would take most of a run's time. */
export const plainCompressor: Compressor = {
  compress: (plain) => plain.slice(),
  decompress: (packed, plainBytes) => {
    if (packed.length !== plainBytes) throw new Error(`${packed.length} bytes, expected ${plainBytes}`);
    return packed.slice();
  },
};
