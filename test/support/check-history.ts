/**
 * Checks a whole history: key by key, for linearizability and for the order of each connection. "Undecided" counts
 * as a failure, because a check that gives up proves nothing.
 */
import { checkKey } from './check-linearizability.js';
import { NO_EXPIRY_SLACK, type ExpiryBounds } from './check-key-model.js';
import { encodeHistory, type History, type HistoryLine, type RecordedOperation } from './history-record.js';
import { toHistoryLine } from './history-record.js';

export interface HistoryFailure {
  readonly key: string;
  readonly what: string;
  /** The key's operations as lines, by call time: enough to check it again elsewhere. */
  readonly lines: string;
}

/** null when every key has an order that explains it. */
export function checkHistory(
  history: Pick<History, 'operations'>,
  bounds: ExpiryBounds = NO_EXPIRY_SLACK,
  stepsMax = 2_000_000,
): HistoryFailure | null {
  const keys = new Map<string, RecordedOperation[]>();
  for (const operation of history.operations) {
    const list = keys.get(operation.key);
    if (list) list.push(operation);
    else keys.set(operation.key, [operation]);
  }
  for (const [key, operations] of [...keys].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    operations.sort((a, b) => earliestNs(a) - earliestNs(b) || a.position - b.position);
    const lines = operations.map((operation) => ({
      ...toHistoryLine(operation),
      call_ns: earliestNs(operation),
    }));
    const verdict = checkKey(lines, { bounds, stepsMax, before: connectionOrder(operations) });
    if (verdict.kind === 'linearizable') continue;
    const what =
      verdict.kind === 'undecided'
        ? `undecided after ${verdict.steps} steps`
        : `no order explains ${describeOperation(verdict.stuck)}`;
    return { key, what, lines: encodeHistory(lines) };
  }
  return null;
}

/**
 * A stale read must show what was there at some moment from its bound before the call to its return: for the check it
 * is a read that was called so much earlier. The bound is held by a node's own clock, which may be off by a thousandth.
 */
function earliestNs({ callNs, staleMs }: RecordedOperation): number {
  return staleMs === undefined ? callNs : Math.max(0, callNs - Math.ceil(staleMs * 1.002e6));
}

/**
 * For each operation the last acknowledged one that its connection sent before it for this key, and that it must
 * follow: any, or any write, as the connection promises.
 */
function connectionOrder(operations: readonly RecordedOperation[]): (number | null)[] {
  const before = new Array<number | null>(operations.length).fill(null);
  const bySending = operations.map((operation, i) => ({ operation, i }));
  bySending.sort((a, b) => a.operation.position - b.operation.position);
  const last = new Map<number, number>();
  for (const { operation, i } of bySending) {
    if (operation.order === 'none') continue;
    before[i] = last.get(operation.connection) ?? null;
    const isFollowed = operation.order !== 'writes' || operation.op !== 'get';
    if (operation.status === 'ok' && isFollowed) last.set(operation.connection, i);
  }
  return before;
}

export function describeOperation(line: HistoryLine): string {
  const argument = line.value === null ? '' : ` ${line.value}`;
  const version = line.version === undefined ? '' : ` version ${line.version}`;
  const outcome = line.status === 'ok' ? `${line.output}${version}` : line.status;
  const end = line.return_ns === null ? '…' : `${line.return_ns / 1e6}`;
  return `client ${line.client} ${line.op} ${line.key}${argument} -> ${outcome} (${line.call_ns / 1e6}..${end} ms)`;
}
