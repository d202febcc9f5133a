/**
 * Keys of simulator runs with so many unknown outcomes that a search by placing and taking back got lost in them. They
 * must be decided in a few steps, and so must each of them with one read told wrongly.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkKey } from '../../support/check-linearizability.js';
import { decodeHistory, type HistoryLine } from '../../support/history-record.js';

const STEPS_MAX = 20_000;
/** Clocks were off by this much when these were recorded. */
const BOUNDS = { earlyMs: 550, lateMs: 5_400 };

function recorded(name: string): HistoryLine[] {
  return decodeHistory(readFileSync(new URL(`../../data/histories/${name}.ndjson`, import.meta.url), 'utf8'));
}

for (const name of ['register-many-unknown', 'expiring-many-unknown']) {
  test(`${name} is decided`, () => {
    expect(checkKey(recorded(name), { bounds: BOUNDS, stepsMax: STEPS_MAX }).kind).toBe('linearizable');
  });

  test(`${name} with one read of what nobody wrote is a violation`, () => {
    const lines = recorded(name);
    const reads = lines.map((_, i) => i).filter((i) => lines[i]?.op === 'get');
    expect(reads.length).toBeGreaterThan(5);
    for (const read of reads) {
      const told = lines.map((line, i) => (i === read ? { ...line, output: 'no such value' } : line));
      expect(checkKey(told, { bounds: BOUNDS, stepsMax: STEPS_MAX }).kind).toBe('violation');
    }
  });

  test(`${name} with two reads exchanged is decided`, () => {
    const lines = recorded(name);
    const reads = lines.map((_, i) => i).filter((i) => lines[i]?.op === 'get');
    const kinds = { linearizable: 0, violation: 0, undecided: 0 };
    for (let i = 0; i + 1 < reads.length; i++) {
      const [a, b] = [reads[i] as number, reads[i + 1] as number];
      const told = [...lines];
      told[a] = { ...(lines[a] as HistoryLine), ...answer(lines[b] as HistoryLine) };
      told[b] = { ...(lines[b] as HistoryLine), ...answer(lines[a] as HistoryLine) };
      kinds[checkKey(told, { bounds: BOUNDS, stepsMax: STEPS_MAX }).kind]++;
    }
    expect(kinds.undecided).toBe(0);
    expect(kinds.violation).toBeGreaterThan(0);
  });
}

function answer({ output, version }: HistoryLine): Pick<HistoryLine, 'output' | 'version'> {
  return version === undefined ? { output } : { output, version };
}
