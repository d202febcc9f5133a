/**
 * The history of what clients asked and were told: the one form for the simulator, integration and chaos runs.
 *
 * One operation is one line of JSON (docs/testing.md explains each field). Invariants kept here:
 * - `fail` is only for what was certainly never appended; such an operation never takes effect.
 * - `unknown` has `return_ns: null`: it may take effect at any time after its call, or never.
 * - a client number has at most one operation open, and is not used again after an `unknown`.
 * Times are nanoseconds since the start of the harness, so that they stay exact in a JSON number.
 */
import { assert } from '../../src/base/index.js';

/** `put_if_absent` is SET NX, `put_if_present` SET XX, `cad` compare-and-delete. */
export type HistoryOp =
  'get' | 'put' | 'put_if_absent' | 'put_if_present' | 'del' | 'cas' | 'cad' | 'incr' | 'touch' | 'persist';
export type HistoryStatus = 'ok' | 'fail' | 'unknown';

/** Values are strings, counts are numbers, absent is null. */
export type HistoryValue = string | number | null;

export interface HistoryLine {
  readonly client: number;
  readonly op: HistoryOp;
  readonly key: string;
  /** What is written; for `incr` the amount; null for the others. */
  readonly value: HistoryValue;
  /** For `cas` by value: what must be there. */
  readonly expected: HistoryValue;
  /**
   * `get`: the value or null. `put`: null. `incr`: the new number. `persist`: 1 for done, 0 for a key without a time to
   * live, null for none. The others: 1 or 0 for done or not.
   */
  readonly output: HistoryValue;
  readonly status: HistoryStatus;
  readonly call_ns: number;
  readonly return_ns: number | null;
  /** On `touch`, and on what writes a value that expires. */
  readonly ttl_ms?: number;
  /** For `cas` and `cad` by version: the one that the key must have, 0 for absent. */
  readonly expected_version?: number;
  /** The key's version after the operation, as the answer told it; 0: absent. */
  readonly version?: number;
  /** On a `get` that may be stale: it may have taken effect so much before its call. */
  readonly stale_ms?: number;
}

/**
 * What is promised of the order of a connection's operations on a key: each takes effect behind all those before it
 * (`all`), or behind the writes before it (`writes`: the SDK sends reads again when it likes), or whenever it likes
 * between call and return (`none`: reads that any replica may answer).
 */
export type OrderPromise = 'all' | 'writes' | 'none';

/** An operation in the making. `connection` and `position` (order of sending on it) are for the order check alone. */
export interface OpenOperation {
  readonly client: number;
  readonly op: HistoryOp;
  readonly key: string;
  readonly value: HistoryValue;
  readonly expected: HistoryValue;
  readonly ttlMs: number;
  readonly callNs: number;
  readonly connection: number;
  readonly position: number;
  /** `all` when left out. */
  readonly order?: OrderPromise;
  readonly expectedVersion?: number;
  readonly staleMs?: number;
}

export interface RecordedOperation extends OpenOperation {
  readonly version?: number;
  readonly output: HistoryValue;
  readonly status: HistoryStatus;
  readonly returnNs: number | null;
}

export class History {
  readonly operations: RecordedOperation[] = [];
  acknowledged = 0;
  failed = 0;
  unknown = 0;
  private nextClient = 1;
  private readonly open = new Set<number>();
  private readonly retired = new Set<number>();

  /** `countMax` bounds the memory of a run. */
  constructor(private readonly countMax = 1_000_000) {}

  freshClient(): number {
    return this.nextClient++;
  }

  begin(operation: OpenOperation): void {
    assert(
      !this.retired.has(operation.client),
      `client ${operation.client} goes on after an unknown outcome`,
    );
    assert(!this.open.has(operation.client), `client ${operation.client} has two operations open`);
    this.open.add(operation.client);
  }

  /** `version`: what the answer told of it, for those that tell one. */
  end(
    operation: OpenOperation,
    status: HistoryStatus,
    output: HistoryValue,
    nowNs: number,
    version?: number,
  ): void {
    assert(this.open.delete(operation.client), `client ${operation.client} ends what it did not begin`);
    assert(this.operations.length < this.countMax, `history of more than ${this.countMax} operations`);
    if (status === 'unknown') this.retired.add(operation.client);
    if (status === 'ok') this.acknowledged++;
    else if (status === 'fail') this.failed++;
    else this.unknown++;
    const returnNs = status === 'unknown' ? null : nowNs;
    const told = version === undefined ? {} : { version };
    this.operations.push({ ...operation, status, output, returnNs, ...told });
  }

  lines(): HistoryLine[] {
    return this.operations.map(toHistoryLine);
  }
}

export function toHistoryLine(o: RecordedOperation): HistoryLine {
  return {
    client: o.client,
    op: o.op,
    key: o.key,
    value: o.value,
    expected: o.expected,
    output: o.output,
    status: o.status,
    call_ns: o.callNs,
    return_ns: o.returnNs,
    ...(o.ttlMs > 0 ? { ttl_ms: o.ttlMs } : {}),
    ...(o.expectedVersion !== undefined ? { expected_version: o.expectedVersion } : {}),
    ...(o.version !== undefined ? { version: o.version } : {}),
    ...(o.staleMs !== undefined ? { stale_ms: o.staleMs } : {}),
  };
}

/** JSON lines, one operation each, with a line break after the last one too. */
export function encodeHistory(lines: readonly HistoryLine[]): string {
  return lines.map((line) => JSON.stringify(line) + '\n').join('');
}

const OPS: readonly string[] = [
  'get',
  'put',
  'put_if_absent',
  'put_if_present',
  'del',
  'cas',
  'cad',
  'incr',
  'touch',
  'persist',
] satisfies readonly HistoryOp[];

/** Reads what `encodeHistory` wrote; throws with the line's number on anything else. */
export function decodeHistory(text: string): HistoryLine[] {
  const lines: HistoryLine[] = [];
  text.split('\n').forEach((row, i) => {
    if (row === '') return;
    const line = JSON.parse(row) as HistoryLine;
    const whole =
      Number.isSafeInteger(line.client) &&
      OPS.includes(line.op) &&
      typeof line.key === 'string' &&
      Number.isSafeInteger(line.call_ns) &&
      (line.status === 'unknown'
        ? line.return_ns === null
        : (line.status === 'ok' || line.status === 'fail') &&
          Number.isSafeInteger(line.return_ns) &&
          (line.return_ns as number) >= line.call_ns);
    if (!whole) throw new Error(`history line ${i + 1} is malformed: ${row}`);
    lines.push(line);
  });
  return lines;
}
