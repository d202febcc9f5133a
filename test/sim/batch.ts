/**
 * Many runs: a line for each, totals, and the rule that a batch which never saw a fault proves nothing. A batch of
 * 40 runs or more fails when a counter is 0 over all of it, or when a run acknowledged fewer than 200 operations.
 */
import { STEPS_MIN, type RunReport } from './run.js';

export const WHOLE_BATCH_RUNS = 40;

const COUNTERS = [
  'acknowledged',
  'elections',
  'crashes',
  'partitions',
  'clientCuts',
  'snapshots',
  'checkpoints',
  'quiesces',
  'walks',
  'walksAcrossElections',
] as const;
const SDK_COUNTERS = ['ok', 'refused', 'unknown', 'cancelled', 'compared', 'restarts'] as const;

export class Batch {
  passed = 0;
  failed = 0;
  private events = 0;
  private readonly totals = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<
    (typeof COUNTERS)[number],
    number
  >;
  private readonly sdk = { ok: 0, refused: 0, unknown: 0, cancelled: 0, compared: 0, restarts: 0 };
  private readonly sdkCodes = new Map<string, number>();
  private unknown = 0;
  private readonly meagre: number[] = [];

  add(report: RunReport): void {
    if (report.failure === null) this.passed++;
    else this.failed++;
    for (const name of COUNTERS) this.totals[name] += report[name];
    for (const name of SDK_COUNTERS) this.sdk[name] += report.sdk[name];
    for (const [code, count] of report.sdk.codes) {
      this.sdkCodes.set(code, (this.sdkCodes.get(code) ?? 0) + count);
    }
    this.unknown += report.unknown;
    this.events += report.events;
    // A run that failed was cut short: that is no fault of the workload.
    if (report.failure === null && report.acknowledged < STEPS_MIN) this.meagre.push(report.seed);
  }

  get runs(): number {
    return this.passed + this.failed;
  }

  totalsLine(): string {
    const totals = COUNTERS.map((name) => `${name} ${this.totals[name]}`).join(', ');
    return `totals: ${totals}, unknown ${this.unknown}, events ${this.events}`;
  }

  /** SDK calls by outcome, the failed ones by code, too. */
  sdkLine(): string {
    const outcomes = SDK_COUNTERS.map((name) => `${name} ${this.sdk[name]}`);
    const codes = [...this.sdkCodes].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`);
    return `sdk calls: ${[...outcomes, ...codes].join(', ')}`;
  }

  /** What makes a whole batch worthless although its runs passed; empty when it is fine, or too small to tell. */
  shortcomings(): string[] {
    if (this.runs < WHOLE_BATCH_RUNS) return [];
    const none = COUNTERS.filter((name) => this.totals[name] === 0).map(
      (name) => `no ${name} in ${this.runs} runs`,
    );
    const noSdk = SDK_COUNTERS.filter((name) => this.sdk[name] === 0).map(
      (name) => `no sdk calls ${name} in ${this.runs} runs`,
    );
    const meagre = this.meagre.map(
      (seed) => `run with seed ${seed} acknowledged fewer than ${STEPS_MIN} operations`,
    );
    return [...none, ...noSdk, ...meagre];
  }
}

/** One line of facts, then the trace hash. */
export function describeRun(report: RunReport, wallMs: number): string {
  const facts = [
    `seed ${report.seed}`,
    report.failure === null ? 'passed' : 'FAILED',
    ...COUNTERS.map((name) => `${name} ${report[name]}`),
    `sdk calls ok ${report.sdk.ok}`,
    `failed operations ${report.failed}`,
    `unknown ${report.unknown}`,
    `events ${report.events}`,
    `${(report.virtualMs / 1000).toFixed(1)} s simulated in ${(wallMs / 1000).toFixed(2)} s`,
    `trace hash: ${report.traceHash}`,
  ];
  return facts.join(', ');
}
