/**
 * The gRPC front end of a node: hands each call to what serves it, shares one scratch buffer and one outcome among
 * all, and gives each stream with something to do one turn per turn of the event loop. No sockets here: calls come
 * through ports/cache-calls.ts.
 */
import { assert, ByteWriter, type ErrorReason, type MetricsRegistry } from '../../base/index.js';
import { MalformedMessage, UNARY_RESPONSES } from '../../codec/cache/index.js';
import { SessionFieldsSlot, type SessionGrant } from '../../kv/index.js';
import type {
  CacheHandler,
  CacheUnaryMethod,
  Clock,
  Logger,
  MessageStream,
  MessageStreamHandler,
  Timers,
} from '../../ports/index.js';
import type { ClusterDirectory, CommandGateway } from '../gateway-port.js';
import { BatchCall } from './batch-call.js';
import type { SessionGrants } from '../session-grants.js';
import type { GrpcLimits } from './call-host.js';
import { FailureTeller } from './failures.js';
import { SCRATCH_BYTES_KEPT_MAX } from './limits.js';
import { GrpcMetrics } from './metrics.js';
import { OperationOutcome } from './outcome.js';
import { Pipeline, type PipelineHost } from './pipeline.js';
import { ShardMapCalls } from './shard-map-calls.js';
import { SingleCall, type Answer } from './single-call.js';

export interface CacheServerDeps {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly limits: GrpcLimits;
  readonly sessions: SessionGrants;
}

export interface CacheServer extends CacheHandler {
  /** Takes no new call or operation, answers what waits, ends the streams. `done` once every stream has closed. */
  close(done: () => void): void;
  /** Operations taken and not answered. */
  readonly pendingCount: number;
}

/** A stopping server waits so long for streams whose clients don't take the last results; then the adapter cuts them. */
const CLOSE_WAIT_MS = 5_000;

export function createCacheServer(deps: CacheServerDeps): CacheServer {
  return new Server(deps);
}

class Server implements CacheServer, PipelineHost {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: Clock;
  readonly limits: GrpcLimits;
  readonly failures: FailureTeller;
  readonly metrics: GrpcMetrics;
  readonly outcome = new OperationOutcome();
  readonly sessionFields = new SessionFieldsSlot();
  scratch = new ByteWriter(1024);

  private readonly calls = new Set<SingleCall | BatchCall>();
  private readonly pipelines = new Set<Pipeline>();
  private readonly maps: ShardMapCalls;
  /** Those that don't read, longest wait first: room goes to them in this order, so that none starves. */
  private readonly paused = new Set<Pipeline>();
  /** Streams to be given a turn, and those being given one: two lists that change places. */
  private waiting: Pipeline[] = [];
  private running: Pipeline[] = [];
  private turnScheduled = false;
  private readonly runTurn = (): void => this.turn();
  private closed: (() => void) | null = null;

  constructor(private readonly deps: CacheServerDeps) {
    this.gateway = deps.gateway;
    this.directory = deps.directory;
    this.clock = deps.clock;
    this.limits = deps.limits;
    this.failures = new FailureTeller(deps.directory);
    this.metrics = new GrpcMetrics(deps.metrics, () => this.pendingCount);
    this.maps = new ShardMapCalls({
      directory: deps.directory,
      timers: deps.timers,
      failures: this.failures,
    });
    deps.gateway.onRoom(() => this.onRoom());
  }

  get pendingCount(): number {
    let count = 0;
    for (const call of this.calls) count += call.pendingCount;
    for (const pipeline of this.pipelines) count += pipeline.pendingCount;
    return count;
  }

  // CacheHandler.

  unary(method: CacheUnaryMethod, request: Uint8Array, deadlineMs: number, answer: Answer): () => void {
    this.metrics.bytesIn.inc(request.length);
    if (this.closed !== null) {
      answer(this.failures.failure('UNAVAILABLE', 'the node is stopping'), null);
      return ignore;
    }
    if (method === 'GetShardMap') {
      answer(null, this.maps.current());
      return ignore;
    }
    if (method === 'OpenSession') {
      const session = this.grantSession();
      if (session === null) answer(this.failures.failure('UNSUPPORTED_VERSION', NO_SESSIONS), null);
      else answer(null, UNARY_RESPONSES.OpenSession.encode(session));
      return ignore;
    }
    const over = (gone: SingleCall | BatchCall): void => {
      this.calls.delete(gone);
    };
    const call =
      method === 'BatchGet' || method === 'BatchWrite'
        ? new BatchCall(this, method, answer, over)
        : new SingleCall(this, method, answer, over);
    this.calls.add(call);
    try {
      call.start(request, deadlineMs);
    } catch (error) {
      this.calls.delete(call);
      if (!(error instanceof MalformedMessage)) throw error;
      this.logFailure(method, 'INVALID_ARGUMENT', error.message, '');
      answer(this.failures.failure('INVALID_ARGUMENT', `malformed request: ${error.message}`), null);
      return ignore;
    }
    this.keepScratchSmall();
    return () => call.cancel();
  }

  pipeline(stream: MessageStream): MessageStreamHandler {
    if (this.closed !== null) {
      stream.end(this.failures.failure('UNAVAILABLE', 'the node is stopping'));
      return CLOSED_STREAM;
    }
    const pipeline = new Pipeline(stream, this);
    this.pipelines.add(pipeline);
    return pipeline;
  }

  watchShardMap(request: Uint8Array, stream: MessageStream): MessageStreamHandler {
    return this.maps.watch(request, stream);
  }

  close(done: () => void): void {
    assert(this.closed === null, 'the cache server is closed twice');
    this.closed = done;
    this.maps.stop();
    for (const pipeline of this.pipelines) pipeline.quit();
    if (this.pipelines.size === 0) return this.deps.timers.soon(() => this.tellClosed());
    this.deps.timers.after(CLOSE_WAIT_MS, () => this.tellClosed());
  }

  // PipelineHost.

  schedule(pipeline: Pipeline): void {
    if (pipeline.scheduled) return;
    pipeline.scheduled = true;
    this.waiting.push(pipeline);
    if (this.turnScheduled) return;
    this.turnScheduled = true;
    this.deps.timers.soon(this.runTurn);
  }

  /** Null while the cluster is at a version without sessions. */
  grantSession(): SessionGrant | null {
    return this.deps.sessions.grant();
  }

  onPaused(pipeline: Pipeline): void {
    this.paused.delete(pipeline);
    this.paused.add(pipeline);
  }

  onResumed(pipeline: Pipeline): void {
    this.paused.delete(pipeline);
  }

  onClosed(pipeline: Pipeline): void {
    this.pipelines.delete(pipeline);
    this.paused.delete(pipeline);
    if (this.closed !== null && this.pipelines.size === 0) this.deps.timers.soon(() => this.tellClosed());
  }

  logFailure(call: string, reason: ErrorReason, message: string, traceParent: string): void {
    this.deps.logger.debug('call failed', { call, reason, message, traceParent });
  }

  private turn(): void {
    this.turnScheduled = false;
    const running = this.waiting;
    this.waiting = this.running;
    for (const pipeline of running) {
      pipeline.scheduled = false;
      pipeline.turn();
    }
    running.length = 0;
    this.running = running;
    this.keepScratchSmall();
  }

  private keepScratchSmall(): void {
    if (this.scratch.buffer.length > SCRATCH_BYTES_KEPT_MAX) this.scratch = new ByteWriter(1024);
  }

  private onRoom(): void {
    for (const pipeline of this.paused) this.schedule(pipeline);
  }

  private tellClosed(): void {
    const done = this.closed;
    this.closed = ignore;
    done?.();
  }
}

const NO_SESSIONS = 'the cluster is at a version without sessions, until `quorate upgrade finish`';

function ignore(): void {
  // The call is over, or closing was told.
}

const CLOSED_STREAM: MessageStreamHandler = {
  onMessage: ignore,
  onDrain: ignore,
  onHalfClose: ignore,
  onClose: ignore,
};

/** What a node says before it is a member of a cluster. */
export function refuseUninitialised(): CacheHandler {
  const failure = new FailureTeller(null).failure(
    'NOT_INITIALISED',
    'this node is no member of a cluster yet: run `quorate init`, or start it with --join',
  );
  const refuse = (stream: MessageStream): MessageStreamHandler => {
    stream.end(failure);
    return CLOSED_STREAM;
  };
  return {
    unary: (_method, _request, _deadlineMs, answer) => {
      answer(failure, null);
      return ignore;
    },
    pipeline: refuse,
    watchShardMap: (_request, stream) => refuse(stream),
  };
}
