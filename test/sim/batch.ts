/**
 * Many runs: a line for each, totals, and the rules by which a batch proves nothing. A batch of 40 runs or more fails
 * when a counter is 0 over all of it, or when a run acknowledged fewer than 200 operations; one of five minutes or more
 * when a required mark (marks.ts) was never hit.
 */
import { FAULT_KINDS, type FaultKind } from './fault-plan.js';
import { MARKS, REQUIRED_MARKS, type Mark } from './marks.js';
import { STEPS_MIN, type RunReport } from './run.js';

export const WHOLE_BATCH_RUNS = 40;
/** What one core should simulate in a second. */
export const OPERATIONS_TARGET = 2_000;
export const FAULTS_TARGET = 20;
export const MARKS_AFTER_MS = 5 * 60_000;

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
  /** Time that runs took: of the clock, and of the processor, which is less where others want it too. */
  wallMs = 0;
  private cpuMs = 0;
  private events = 0;
  private operations = 0;
  private faults = 0;
  private readonly totals = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<
    (typeof COUNTERS)[number],
    number
  >;
  private readonly sdk = { ok: 0, refused: 0, unknown: 0, cancelled: 0, compared: 0, restarts: 0 };
  private readonly sdkCodes = new Map<string, number>();
  private readonly kinds = new Map<FaultKind, number>();
  private readonly marks = new Map<Mark, number>();
  private unknown = 0;
  private readonly meagre: number[] = [];

  add(report: RunReport, wallMs: number, cpuMs = wallMs): void {
    if (report.failure === null) this.passed++;
    else this.failed++;
    this.wallMs += wallMs;
    this.cpuMs += cpuMs;
    for (const name of COUNTERS) this.totals[name] += report[name];
    for (const name of SDK_COUNTERS) this.sdk[name] += report.sdk[name];
    for (const [code, count] of report.sdk.codes) addTo(this.sdkCodes, code, count);
    for (const { kind } of report.faults) addTo(this.kinds, kind, 1);
    for (const [mark, count] of report.marks) addTo(this.marks, mark, count);
    this.faults += report.faults.length;
    this.operations += report.acknowledged + report.failed + report.unknown;
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

  faultsLine(): string {
    return `faults: ${FAULT_KINDS.map((kind) => `${kind} ${this.kinds.get(kind) ?? 0}`).join(', ')}`;
  }

  marksLine(): string {
    return `marks: ${MARKS.map((mark) => `${mark} ${this.marks.get(mark) ?? 0}`).join(', ')}`;
  }

  /** How much was simulated, in a second of real time and in one of the processor's. */
  speedLine(): string {
    const [wall, cpu] = [this.wallMs / 1000, this.cpuMs / 1000];
    const rate = (count: number, seconds: number): string => {
      const perSecond = count / Math.max(seconds, 0.001);
      return perSecond.toFixed(perSecond < 100 ? 1 : 0);
    };
    const told = (name: string, count: number): string =>
      `${count} ${name} (${rate(count, wall)}/s, ${rate(count, cpu)} a processor second)`;
    const figures = [
      told('operations', this.operations),
      told('faults', this.faults),
      told('events', this.events),
    ];
    return `speed: ${this.runs} runs in ${wall.toFixed(1)} s (processor ${cpu.toFixed(1)} s), ${figures.join(', ')}`;
  }

  /** Whether that is as much as a core should do; processor time, so that others on the machine don't matter. */
  targetLines(): string[] {
    const seconds = Math.max(this.cpuMs / 1000, 0.001);
    const told = (name: string, count: number, target: number): string => {
      const perSecond = count / seconds;
      const verdict = perSecond >= target ? 'reached' : 'missed';
      return `target of ${target} ${name} a processor second: ${verdict} (${perSecond.toFixed(0)})`;
    };
    return [
      told('client operations', this.operations, OPERATIONS_TARGET),
      told('faults', this.faults, FAULTS_TARGET),
    ];
  }

  /** What makes a whole batch worthless although its runs passed; empty when it is fine, or too small to tell. */
  shortcomings(): string[] {
    const marks = this.wallMs < MARKS_AFTER_MS ? [] : this.missingMarks();
    if (this.runs < WHOLE_BATCH_RUNS) return marks;
    const none = COUNTERS.filter((name) => this.totals[name] === 0).map(
      (name) => `no ${name} in ${this.runs} runs`,
    );
    const noSdk = SDK_COUNTERS.filter((name) => this.sdk[name] === 0).map(
      (name) => `no sdk calls ${name} in ${this.runs} runs`,
    );
    const meagre = this.meagre.map(
      (seed) => `run with seed ${seed} acknowledged fewer than ${STEPS_MIN} operations`,
    );
    return [...none, ...noSdk, ...meagre, ...marks];
  }

  private missingMarks(): string[] {
    return REQUIRED_MARKS.filter((mark) => !this.marks.has(mark)).map(
      (mark) => `the mark ${mark} was never hit in ${this.runs} runs`,
    );
  }
}

function addTo<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** One line of facts, then the trace hash. */
export function describeRun(report: RunReport, wallMs: number): string {
  const facts = [
    `seed ${report.seed}`,
    report.failure === null ? 'passed' : 'FAILED',
    ...COUNTERS.map((name) => `${name} ${report[name]}`),
    `faults ${report.faults.length}`,
    `sdk calls ok ${report.sdk.ok}`,
    `failed operations ${report.failed}`,
    `unknown ${report.unknown}`,
    `events ${report.events}`,
    `${(report.virtualMs / 1000).toFixed(1)} s simulated in ${(wallMs / 1000).toFixed(2)} s`,
    `trace hash: ${report.traceHash}`,
  ];
  return facts.join(', ');
}
