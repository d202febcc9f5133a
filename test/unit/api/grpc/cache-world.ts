/** The cache server in a world of the test's making: real state machines behind it, streams that remember, turns by hand. */
import { SessionGrants } from '../../../../src/api/index.js';
import { createCacheServer, type CacheServer, type GrpcLimits } from '../../../../src/api/grpc/index.js';
import { type Counter, MetricsRegistry, reasonFromNumber } from '../../../../src/base/index.js';
import {
  decodeError,
  PipelineRequestWriter,
  PipelineResponseReader,
  type RequestHeader,
} from '../../../../src/codec/cache/index.js';
import type {
  CacheFailure,
  CacheUnaryMethod,
  Entropy,
  Logger,
  MessageStream,
  MessageStreamHandler,
} from '../../../../src/ports/index.js';
import { FakeDirectory } from '../resp/fake-directory.js';
import { KvGateway } from '../resp/kv-gateway.js';
import { ManualTime } from '../resp/resp-world.js';

export const LIMITS: GrpcLimits = {
  valueBytesMax: 8 * 1024 * 1024,
  outputBytesMax: 32 * 1024 * 1024,
  requestTimeoutMs: 5_000,
  grpcMessageBytesMax: 16 * 1024 * 1024,
};

/** Draws 1, always. */
const ONES: Entropy = { u32: () => 1, below: () => 1, bytes: (count) => new Uint8Array(count).fill(1) };

const MARK_BYTES = 64 * 1024;

/** A client's side of a stream. It takes what is written at once, unless `takes` is false. */
export class FakeMessageStream implements MessageStream {
  readonly remoteAddress = '127.0.0.1:50000';
  readonly writes: Uint8Array[] = [];
  takes = true;
  paused = false;
  pauses = 0;
  ended: { readonly failure: CacheFailure | null } | null = null;
  handler: MessageStreamHandler | null = null;
  private waiting = 0;

  write(bytes: Uint8Array): boolean {
    if (this.ended) throw new Error('write after the end');
    this.writes.push(bytes);
    if (this.takes) return true;
    this.waiting += bytes.length;
    return this.waiting <= MARK_BYTES;
  }

  bufferedBytes(): number {
    return this.waiting;
  }

  /** The client reads everything. */
  drain(): void {
    this.takes = true;
    this.waiting = 0;
    this.handler?.onDrain();
  }

  pause(): void {
    this.paused = true;
    this.pauses++;
  }

  resume(): void {
    this.paused = false;
  }

  end(failure: CacheFailure | null): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = { failure };
  }

  /** Cancelled, or gone after its end. */
  close(): void {
    const { handler } = this;
    this.handler = null;
    handler?.onClose();
  }
}

/** A result as a client reads it, without what is zero. */
export interface ReadResult {
  readonly id: number;
  readonly error?: string;
  readonly message?: string;
  readonly shard?: number;
  readonly leader?: number;
  readonly address?: string;
  readonly retryAfterMs?: number;
  readonly found?: boolean;
  readonly applied?: boolean;
  readonly value?: string;
  readonly version?: number;
  readonly number?: number | bigint;
  readonly ttlMs?: number;
}

export interface ReadHint {
  readonly shard: number;
  readonly node: number;
  readonly term: number;
}

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};

export class CacheWorld {
  readonly time = new ManualTime();
  readonly metrics = new MetricsRegistry();
  readonly directory: FakeDirectory;
  readonly server: CacheServer;
  readonly log: unknown[] = [];

  constructor(
    limits: Partial<GrpcLimits> = {},
    readonly gateway = new KvGateway(),
    directory: FakeDirectory = new FakeDirectory(),
  ) {
    this.directory = directory;
    this.server = createCacheServer({
      gateway,
      directory,
      clock: this.time,
      timers: this.time,
      logger: { ...SILENT, debug: (event, fields) => void this.log.push({ event, ...fields }) },
      metrics: this.metrics,
      limits: { ...LIMITS, ...limits },
      sessions: new SessionGrants(1, ONES, () => gateway.nowMs),
    });
  }

  open(takes = true): FakeMessageStream {
    const stream = new FakeMessageStream();
    stream.takes = takes;
    stream.handler = this.server.pipeline(stream);
    return stream;
  }

  /** Runs turns, and delivers results in the order of `pick`, until nothing happens any more. */
  settle(pick?: (count: number) => number): void {
    let busy = true;
    while (busy) {
      busy = this.gateway.waiting.length > 0;
      this.gateway.deliverAll(pick);
      if (this.time.runTurn()) busy = true;
    }
  }

  /** A call, settled. Answers `failure` by its reason; `called` counts answers. */
  call(
    method: CacheUnaryMethod,
    request: Uint8Array,
    deadlineMs = Infinity,
  ): { failure: CacheFailure | null; response: Uint8Array; answers: number; cancel: () => void } {
    const outcome = {
      failure: null as CacheFailure | null,
      response: new Uint8Array(0) as Uint8Array,
      answers: 0,
      cancel: () => undefined as void,
    };
    outcome.cancel = this.server.unary(method, request, deadlineMs, (failure, response) => {
      outcome.failure = failure;
      outcome.response = response ?? new Uint8Array(0);
      outcome.answers++;
    });
    this.settle();
    return outcome;
  }

  counter(name: string, labels: Record<string, string> = {}): number {
    const family = this.metrics.list().find((f) => f.name === name);
    const cell = family?.cells.find((c) => JSON.stringify(c.labels) === JSON.stringify(labels))?.cell;
    return cell ? (cell as Counter).value : 0;
  }

  gauge(name: string, protocol: string): number {
    const rows =
      this.metrics
        .list()
        .find((f) => f.name === name)
        ?.read?.() ?? [];
    return rows.find((row) => row.labels['protocol'] === protocol)?.value ?? NaN;
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One message of operations, made by `fill`. */
export function batch(
  fill: (w: PipelineRequestWriter) => void,
  header: Partial<RequestHeader> = {},
): Uint8Array {
  const w = new PipelineRequestWriter();
  w.begin(header);
  fill(w);
  return w.finish();
}

/** Everything that responses say. */
export function readResponses(messages: readonly Uint8Array[]): {
  results: ReadResult[];
  hints: ReadHint[];
  mapVersion: number;
} {
  const results: ReadResult[] = [];
  const hints: ReadHint[] = [];
  let mapVersion = 0;
  for (const message of messages) {
    const r = new PipelineResponseReader().reset(message);
    while (r.nextResult()) results.push(plainResult(r));
    while (r.nextHint()) hints.push({ shard: r.hintShard, node: r.hintNode, term: r.hintTerm });
    mapVersion = r.mapVersion;
  }
  return { results, hints, mapVersion };
}

function plainResult(r: PipelineResponseReader): ReadResult {
  if (r.errorReason !== 0) {
    return {
      id: r.id,
      error: reasonFromNumber(r.errorReason),
      ...nonZero({
        message: r.error.message,
        shard: r.error.shard,
        leader: r.error.leaderNode,
        address: r.error.leaderAddress,
        retryAfterMs: r.error.retryAfterMs,
      }),
    };
  }
  const value = Buffer.from(r.bytes.subarray(r.valueStart, r.valueEnd)).toString('latin1');
  return {
    id: r.id,
    ...nonZero({
      found: r.found,
      applied: r.applied,
      value,
      version: r.version,
      number: r.number,
      ttlMs: r.ttlMs,
    }),
  };
}

function nonZero<T extends object>(all: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(all).filter(([, v]) => v !== 0 && v !== '' && v !== false && v !== 0n),
  ) as Partial<T>;
}

export function errorOf(failure: CacheFailure | null) {
  if (failure === null) throw new Error('the call did not fail');
  return decodeError(failure.details);
}
