/** What one row gave in one round, and where the results of a whole run are kept. */

export interface Sample {
  /** Operations that were answered without an error, and in how many seconds. */
  readonly operations: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the load generator, and of all processes of the system, while the operations ran. */
  readonly clientCpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly errors: number;
  /** What a reader has to know about this figure. */
  readonly notes: readonly string[];
  /** For rows that are one figure (`failover`, `idle`); with its unit. */
  readonly figure?: { readonly value: number; readonly unit: string };
  /** Of a paced run: what was to be sent each second. */
  readonly offeredPerSecond?: number;
}

export class Results {
  private readonly samples = new Map<string, Map<number, Sample>>();
  private readonly refusals = new Map<string, string[]>();

  add(rowId: string, round: number, sample: Sample): void {
    let rounds = this.samples.get(rowId);
    if (rounds === undefined) this.samples.set(rowId, (rounds = new Map()));
    rounds.set(round, sample);
  }

  /** The row gave nothing that counts, and why. */
  refuse(rowId: string, why: string): void {
    const reasons = this.refusals.get(rowId) ?? [];
    if (!reasons.includes(why)) reasons.push(why);
    this.refusals.set(rowId, reasons);
  }

  of(rowId: string): readonly Sample[] {
    return [...(this.samples.get(rowId)?.values() ?? [])];
  }

  whyNot(rowId: string): readonly string[] {
    return this.refusals.get(rowId) ?? [];
  }

  /** A row's samples by the number of their round, from 0. */
  rounds(rowId: string): ReadonlyMap<number, Sample> {
    return this.samples.get(rowId) ?? new Map<number, Sample>();
  }

  /** One figure of a row, by round. */
  byRound(rowId: string, pick: (sample: Sample) => number): ReadonlyMap<number, number> {
    const rounds = this.samples.get(rowId) ?? new Map<number, Sample>();
    return new Map([...rounds].map(([round, sample]) => [round, pick(sample)]));
  }
}
