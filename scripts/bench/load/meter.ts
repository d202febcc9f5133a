/**
 * What a load generator counts. Operations before the window (the warm-up) and after it are answered, and not measured.
 * CPU of this process and of the servers is taken at both ends of the window, so that start-up isn't in it.
 */
import { cpuSecondsOf } from '../children.js';
import { LatencyHistogram } from '../latency-histogram.js';

/** What a generator prints as its last line, in JSON. */
export interface LoadResult {
  readonly operations: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly clientCpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly errors: number;
  /** The first one. */
  readonly errorText: string;
  /** Reads answered without an error, warm-up included: for the proof that they were linearizable. */
  readonly readsAnswered: number;
  /** Paced runs: part of what was due could not be sent, since too much was unanswered. */
  readonly isBehind: boolean;
}

export interface Timing {
  readonly warmSeconds: number;
  readonly seconds: number;
  /** The servers' processes. */
  readonly pids: readonly number[];
}

export class Meter {
  /** Before the end of the window; afterwards no new operations should begin. */
  isRunning = true;
  isBehind = false;
  private readonly latencies = new LatencyHistogram();
  private inWindow = false;
  private errors = 0;
  private errorText = '';
  private readsAnswered = 0;
  private startedMs = 0;
  private clientCpu = 0;
  private serverCpu = 0;
  private result: Omit<LoadResult, 'readsAnswered' | 'isBehind'> | null = null;

  constructor(private readonly timing: Timing) {}

  /** Opens and closes the window by the clock; resolves when it is closed. */
  run(): Promise<void> {
    const { warmSeconds, seconds } = this.timing;
    return new Promise((resolve) => {
      setTimeout(() => {
        this.open();
        setTimeout(() => {
          this.close();
          resolve();
        }, seconds * 1000);
      }, warmSeconds * 1000);
    });
  }

  /** An operation was answered. `error`: with what error, or null. */
  onAnswer(latencyMs: number, error: string | null, isRead: boolean): void {
    if (error !== null) {
      this.errors++;
      if (this.errorText === '') this.errorText = error;
      return;
    }
    if (isRead) this.readsAnswered++;
    if (this.inWindow) this.latencies.add(latencyMs);
  }

  open(): void {
    this.inWindow = true;
    this.serverCpu = cpuSecondsOf(this.timing.pids);
    this.clientCpu = ownCpuSeconds();
    this.startedMs = performance.now();
  }

  close(): void {
    const seconds = (performance.now() - this.startedMs) / 1000;
    this.inWindow = false;
    this.isRunning = false;
    const { count } = this.latencies;
    this.result = {
      operations: count,
      seconds,
      perSecond: count / seconds,
      p50Ms: this.latencies.quantileMs(0.5),
      p99Ms: this.latencies.quantileMs(0.99),
      clientCpuSeconds: ownCpuSeconds() - this.clientCpu,
      serverCpuSeconds: cpuSecondsOf(this.timing.pids) - this.serverCpu,
      errors: this.errors,
      errorText: this.errorText,
    };
  }

  /** After the last answer. */
  print(): void {
    const { errors, errorText, readsAnswered, isBehind } = this;
    if (this.result === null) throw new Error('the window is still open');
    const result: LoadResult = { ...this.result, errors, errorText, readsAnswered, isBehind };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}

/** The generator's configuration: JSON as its only argument. */
export function readConfig<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T;
}

/** Waits until nothing is open any more, at most five seconds. */
export async function untilAnswered(openCount: () => number): Promise<void> {
  const endMs = performance.now() + 5000;
  while (openCount() > 0 && performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 10));
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
