/**
 * The search against trying every order, on thousands of small histories: what a store did, told with calls that
 * overlap and outcomes that are unknown, and often with one answer told wrongly, so that violations are near misses.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/index.js';
import { ABSENT, fade, NO_EXPIRY_SLACK, stepKey, type KeyState } from '../support/check-key-model.js';
import { checkKey } from '../support/check-linearizability.js';
import { KeyFacts } from '../support/linearization-facts.js';
import type { HistoryLine, HistoryOp, HistoryValue } from '../support/history-record.js';

const MS = 1e6;
const ROUNDS = 2_000;
/** The operation that must take effect before each; -1: none. */
type Before = ArrayLike<number>;

/** Every order that respects real time, and every choice of unknown operations: exponential, and plain to see. */
function anyOrder(lines: readonly HistoryLine[], before: Before): boolean {
  const seen = new Set<string>();
  const go = (left: readonly number[], state: KeyState): boolean => {
    const certain = left.filter((i) => lines[i]?.status === 'ok');
    if (certain.length === 0) return true;
    const at = `${left.join()} ${Object.values(state).join()}`;
    if (seen.has(at)) return false;
    seen.add(at);
    const untilNs = Math.min(...certain.map((i) => lines[i]?.return_ns as number));
    const gone = fade(state, untilNs);
    return left.some((i) => {
      const line = lines[i] as HistoryLine;
      const binds = line.status === 'ok' && certain.includes(before[i] as number);
      if (untilNs < line.call_ns || binds) return false;
      const rest = left.filter((j) => j !== i);
      return [state, gone].some((from) => {
        const next = from === null ? null : stepKey(from, line, NO_EXPIRY_SLACK);
        return next !== null && go(rest, next);
      });
    });
  };
  return go([...lines.keys()], ABSENT);
}

interface Flavour {
  readonly ops: readonly HistoryOp[];
  readonly expires: boolean;
  /** How often an answer tells a version, and how often an outcome is unknown. */
  readonly tells: number;
  readonly unknown: number;
  /** Values are written once each. */
  readonly unique: boolean;
}

/** What a key of the simulator sees, and what none does: everything at once. */
const FLAVOURS: Record<string, Flavour> = {
  registers: {
    ops: ['get', 'get', 'put', 'put', 'cas', 'cas', 'put_if_absent', 'put_if_present', 'del', 'cad'],
    expires: false,
    tells: 0.6,
    unknown: 0.4,
    unique: true,
  },
  'registers without versions': {
    ops: ['get', 'get', 'put', 'put', 'put_if_absent', 'del'],
    expires: false,
    tells: 0,
    unknown: 0.5,
    unique: true,
  },
  counters: {
    ops: ['get', 'incr', 'incr', 'incr', 'del'],
    expires: false,
    tells: 0.3,
    unknown: 0.5,
    unique: true,
  },
  'values that expire': {
    ops: ['get', 'get', 'put', 'put', 'put_if_absent', 'put_if_present', 'touch', 'persist'],
    expires: true,
    tells: 0.4,
    unknown: 0.4,
    unique: true,
  },
  everything: {
    ops: [
      'get',
      'get',
      'put',
      'cas',
      'put_if_absent',
      'put_if_present',
      'del',
      'cad',
      'incr',
      'touch',
      'persist',
    ],
    expires: true,
    tells: 0.4,
    unknown: 0.4,
    unique: false,
  },
};

/** A store that does one operation after another, each at a moment of its own. */
class Store {
  private value: string | null = null;
  private version = 0;
  private last = 0;
  private endMs = Infinity;

  constructor(private readonly prng: Prng) {}

  /** The output, and the version behind it. */
  do(line: HistoryLine, atMs: number): { output: HistoryValue; version: number } {
    if (this.value !== null && atMs >= this.endMs) this.set(null, Infinity);
    const was = this.value;
    const ends = line.ttl_ms === undefined ? Infinity : atMs + line.ttl_ms;
    const tell = (output: HistoryValue): { output: HistoryValue; version: number } => ({
      output,
      version: this.version,
    });
    const write = (
      isDone: boolean,
      to: string | null,
      endMs: number,
    ): { output: HistoryValue; version: number } => {
      if (isDone) this.set(to, endMs);
      return tell(isDone ? 1 : 0);
    };
    switch (line.op) {
      case 'get':
        return tell(was);
      case 'put':
        this.set(String(line.value), ends);
        return tell(null);
      case 'put_if_absent':
        return write(was === null, String(line.value), ends);
      case 'put_if_present':
        return write(was !== null, String(line.value), ends);
      case 'del':
        return write(was !== null, null, Infinity);
      case 'cas':
      case 'cad': {
        const wanted = line.expected_version;
        const holds = wanted === undefined ? was === line.expected : wanted === this.version;
        return write(holds, line.op === 'cad' ? null : String(line.value), ends);
      }
      case 'touch':
        return write(was !== null, was, ends);
      case 'persist':
        return was === null ? tell(null) : write(this.endMs !== Infinity, was, Infinity);
      case 'incr': {
        const sum = Number(was ?? '0') + Number(line.value);
        if (!Number.isSafeInteger(sum)) return tell(null);
        this.set(String(sum), this.endMs);
        return tell(sum);
      }
    }
  }

  guess(): { version: number; value: string | null } {
    return {
      version: this.prng.chance(0.7) ? this.version : this.prng.below(this.last + 2),
      value: this.value,
    };
  }

  private set(value: string | null, endMs: number): void {
    this.last += this.prng.between(1, 2);
    this.value = value;
    this.version = value === null ? 0 : this.last;
    this.endMs = value === null ? Infinity : endMs;
  }
}

interface Drawn {
  readonly lines: readonly HistoryLine[];
  readonly before: readonly number[];
  /** Exactly what a store did. */
  readonly isTrue: boolean;
}

function draw(prng: Prng, count: number, flavour: Flavour): Drawn {
  const store = new Store(prng);
  const lines = Array.from({ length: count }, (_, i) => oneLine(prng, store, flavour, i));
  if (prng.chance(0.3)) return { lines, before: lines.map(() => -1), isTrue: true };
  const wrong = prng.below(count);
  const told = lines.map((line, i) => (i === wrong && prng.chance(0.8) ? wronged(prng, line, count) : line));
  const before = told.map((line, i) => {
    const earlier = prng.below(Math.max(1, i));
    const isPossible = i > 0 && (told[earlier] as HistoryLine).call_ns <= line.call_ns;
    return isPossible && prng.chance(0.25) ? earlier : -1;
  });
  return { lines: told, before, isTrue: false };
}

function oneLine(prng: Prng, store: Store, flavour: Flavour, i: number): HistoryLine {
  const op = prng.pick(flavour.ops);
  const isUnknown = prng.chance(flavour.unknown);
  const atMs = 4 * i + 2;
  const call = Math.max(0, atMs - prng.below(12));
  const guess = store.guess();
  const isCompared = op === 'cas' || op === 'cad';
  const byValue = isCompared && !flavour.unique && prng.chance(0.4);
  const canEnd =
    op === 'touch' || op === 'put' || op === 'put_if_absent' || op === 'put_if_present' || op === 'cas';
  const ends = flavour.expires && (op === 'touch' || (canEnd && prng.chance(0.6)));
  const writesValue = canEnd && op !== 'touch';
  const line: HistoryLine = {
    client: i + 1,
    op,
    key: 'k',
    value:
      op === 'incr'
        ? prng.between(1, 2)
        : writesValue
          ? flavour.unique
            ? `v${i}`
            : `${prng.below(3)}`
          : null,
    expected: byValue ? guess.value : null,
    output: null,
    status: isUnknown ? 'unknown' : 'ok',
    call_ns: call * MS,
    return_ns: isUnknown ? null : (atMs + prng.below(10)) * MS,
    ...(ends ? { ttl_ms: prng.between(1, 14) } : {}),
    ...(isCompared && !byValue ? { expected_version: guess.version } : {}),
  };
  if (isUnknown && prng.chance(0.5)) return line;
  const { output, version } = store.do(line, atMs);
  if (isUnknown || (line.op === 'incr' && output === null))
    return { ...line, status: 'unknown', return_ns: null };
  const tellsNone = op === 'del' || (op === 'get' && output === null);
  return { ...line, output, ...(!tellsNone && prng.chance(flavour.tells) ? { version } : {}) };
}

/** Another output, another version, or another time. */
function wronged(prng: Prng, line: HistoryLine, count: number): HistoryLine {
  if (line.status === 'unknown') return line;
  if (line.version !== undefined && prng.chance(0.5)) {
    return { ...line, version: Math.max(0, line.version + prng.pick([-2, -1, 1, 2])) };
  }
  if (line.op === 'get') return { ...line, output: prng.chance(0.3) ? null : `v${prng.below(count)}` };
  if (typeof line.output === 'number')
    return { ...line, output: line.op === 'incr' ? line.output + 1 : 1 - line.output };
  return line;
}

for (const [name, flavour] of Object.entries(FLAVOURS)) {
  test(`random histories of ${name} get the verdict of trying every order`, () => {
    const prng = new Prng(name.length);
    const verdicts = { linearizable: 0, violation: 0, undecided: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const { lines, before, isTrue } = draw(prng, prng.between(2, 8), flavour);
      const bound = before.map((i) => (i < 0 ? null : i));
      const verdict = checkKey(lines, { before: bound }).kind;
      verdicts[verdict]++;
      const isExplained = verdict === 'linearizable';
      const words = `${JSON.stringify(lines)} ${JSON.stringify(before)}`;
      // What the history says of versions as a whole is known before any order is tried, and only ever adds to it.
      const facts = new KeyFacts(lines, bound);
      expect(isExplained, words).toBe(anyOrder(facts.ops, facts.before));
      if (isTrue) expect(isExplained, words).toBe(true);
      else if (isExplained) expect(anyOrder(lines, before), words).toBe(true);
    }
    // Both verdicts must be common, or the comparison says little.
    expect(verdicts.linearizable).toBeGreaterThan(100);
    expect(verdicts.violation).toBeGreaterThan(100);
  });
}
