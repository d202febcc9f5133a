/**
 * What simulated clients ask: which keys, which operations, and what a reply means for the history.
 *
 * Few keys, one of them hot, so that operations meet. Three ranges that never mix: `r*` registers, `n*` counters,
 * `x*` values that expire. Every value written is unique, so that a read tells which write it saw.
 */
import type { Prng } from '../../src/base/index.js';
import type { HistoryOp, HistoryStatus, HistoryValue } from '../support/history-record.js';
import { slotOfKey, slotRanges } from '../../src/topology/index.js';
import { uniqueValue } from './checkers.js';
import type { RespReply } from './resp-replies.js';

export interface Request {
  readonly op: HistoryOp;
  readonly key: string;
  readonly value: HistoryValue;
  readonly ttlMs: number;
  readonly parts: readonly string[];
}

export interface Outcome {
  readonly status: HistoryStatus;
  readonly output: HistoryValue;
}

export const REGISTERS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5'] as const;
export const COUNTERS = ['n0', 'n1', 'n2'] as const;
export const EXPIRING = ['x0', 'x1', 'x2', 'x3', 'x4', 'x5'] as const;
export const ALL_KEYS: readonly string[] = [...REGISTERS, ...COUNTERS, ...EXPIRING];
export const HOT = REGISTERS[0];
/** One key in each of so many equal parts of the slots: with no more shards than that, every shard has one. */
export const PROBES: readonly string[] = slotRanges(16).map(({ firstSlot, lastSlot }) => {
  for (let i = 0; ; i++) {
    const slot = slotOfKey(Buffer.from(`p${i}`));
    if (slot >= firstSlot && slot <= lastSlot) return `p${i}`;
  }
});

/** Now and then a value is padded, so that batches, messages and checkpoints differ in size. */
export const PADDING_BYTES_MAX = 1500;

export class Workload {
  private count = 0;

  constructor(private readonly prng: Prng) {}

  next(client: number): Request {
    const draw = this.prng.below(100);
    if (draw < 55) return this.register(client);
    return draw < 78 ? this.counter() : this.expiring(client);
  }

  /** A write that always changes something: what the end of a run demands of every client. */
  certainWrite(client: number): Request {
    return put(this.prng.pick(REGISTERS), this.value(client), 0, false);
  }

  putTo(key: string, client: number): Request {
    return put(key, this.value(client), 0, false);
  }

  private register(client: number): Request {
    const key = this.prng.chance(0.35) ? HOT : this.prng.pick(REGISTERS);
    const draw = this.prng.below(100);
    if (draw < 42) return get(key);
    if (draw < 85) return put(key, this.value(client), 0, false);
    return draw < 92 ? del(key) : put(key, this.value(client), 0, true);
  }

  private counter(): Request {
    const key = this.prng.pick(COUNTERS);
    const draw = this.prng.below(100);
    if (draw < 35) return get(key);
    if (draw < 95) return { op: 'incr', key, value: 1, ttlMs: 0, parts: ['INCR', key] };
    return del(key);
  }

  private expiring(client: number): Request {
    const key = this.prng.pick(EXPIRING);
    const draw = this.prng.below(100);
    if (draw < 55) return get(key);
    return put(key, this.value(client), this.prng.between(40, 1200), draw >= 88);
  }

  private value(client: number): string {
    const padding = this.prng.chance(0.15) ? '.'.repeat(this.prng.below(PADDING_BYTES_MAX)) : '';
    return uniqueValue(client, ++this.count) + padding;
  }
}

export function get(key: string): Request {
  return { op: 'get', key, value: null, ttlMs: 0, parts: ['GET', key] };
}

function del(key: string): Request {
  return { op: 'del', key, value: null, ttlMs: 0, parts: ['DEL', key] };
}

function put(key: string, value: string, ttlMs: number, ifAbsent: boolean): Request {
  const parts = ['SET', key, value];
  if (ifAbsent) parts.push('NX');
  if (ttlMs > 0) parts.push('PX', String(ttlMs));
  return { op: ifAbsent ? 'put_if_absent' : 'put', key, value, ttlMs, parts };
}

/** Error prefixes that promise that nothing was appended. Everything else is unknown, or fails the run. */
const DEFINITE = ['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'OOM', 'MISCONF', 'MOVED'];

/** null: no reply that this request can have; the run fails. */
export function interpretReply(request: Request, reply: RespReply): Outcome | null {
  if (reply.kind === 'error') {
    const prefix = reply.text.split(' ', 1)[0] as string;
    if (prefix === 'OUTCOMEUNKNOWN') return { status: 'unknown', output: null };
    return DEFINITE.includes(prefix) ? { status: 'fail', output: null } : null;
  }
  const ok = (output: HistoryValue): Outcome => ({ status: 'ok', output });
  switch (request.op) {
    case 'get':
      return reply.kind === 'bulk' ? ok(reply.text) : null;
    case 'put':
      return reply.kind === 'status' && reply.text === 'OK' ? ok(null) : null;
    case 'put_if_absent':
      if (reply.kind === 'status' && reply.text === 'OK') return ok(1);
      return reply.kind === 'bulk' && reply.text === null ? ok(0) : null;
    case 'del':
    case 'incr':
      return reply.kind === 'int' ? ok(reply.value) : null;
    default:
      return null;
  }
}
