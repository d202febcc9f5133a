/**
 * The faults of a run as a list, made before the run begins: each with its number, its time, its kind and a generator
 * of its own. So a subset of the list plays the same faults at the same times, which is what shrinking needs, and
 * `--faults 3,17` plays a failure again with nothing but what it takes.
 */
import type { Prng } from '../../src/base/index.js';

/** What a disk loses or spoils after it said that it was safe: only for a minority of a group's replicas. */
export const DAMAGE_KINDS = [
  'flip_record',
  'flip_log',
  'flip_checkpoint',
  'lost_write',
  'misdirected_write',
] as const;

export const FAULT_KINDS = [
  'crash',
  'long_crash',
  'crash_all',
  'stop',
  'rolling_restart',
  'pause',
  'partition',
  'one_way',
  'isolate_leader',
  'cut_client',
  'bad_network',
  'slow_disk',
  'slow_fsync',
  'disk_error',
  'fsync_error',
  'disk_full',
  'clock',
  'clock_jump',
  'clock_drift',
  'transfer',
  'membership',
  'strike_election',
  'strike_acknowledgement',
  ...DAMAGE_KINDS,
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface PlannedFault {
  /** Its place in the whole list, from 1; it keeps it when others are left out. */
  readonly number: number;
  /** After the clients began to work. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** This fault's own numbers. */
  readonly prng: Prng;
}

/** Faults of these kinds at random times until `endMs`. */
export function planFaults(
  prng: Prng,
  kinds: readonly FaultKind[],
  faultsPerSecond: number,
  endMs: number,
): PlannedFault[] {
  const plan: PlannedFault[] = [];
  const times = prng.stream('times');
  const gapMsMax = 2000 / faultsPerSecond;
  for (let atMs = times.unit() * gapMsMax; atMs < endMs; atMs += times.unit() * gapMsMax) {
    const number = plan.length + 1;
    plan.push({ number, atMs, kind: times.pick(kinds), prng: prng.stream(`fault ${number}`) });
  }
  return plan;
}

export function isFaultKind(name: string): name is FaultKind {
  return (FAULT_KINDS as readonly string[]).includes(name);
}

export function describeFault(fault: PlannedFault): string {
  return `${fault.number} ${fault.kind} at ${fault.atMs.toFixed(0)} ms`;
}
