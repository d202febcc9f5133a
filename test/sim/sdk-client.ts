/**
 * Simulated clients that are the SDK: its engine over simulated clocks, timers, entropy and transport.
 *
 * A client has a few lanes; each lane is a closed loop (ask, wait, think), and the lanes share the engine, so that
 * their operations share its streams. Now and then all lanes ask for one key in one turn. Some calls are cancelled, and
 * now and then the whole client is closed and another one takes its place.
 *
 * Checked as it happens, beside what the history is judged by at the end:
 * - a call settles once, by its deadline and a margin, and not at all once it was cancelled;
 * - versions of a key never go back: an answer tells at least the highest version that the client knew when it called;
 * - a version that a comparison expected is not given again;
 * - no failure that faults do not explain.
 */
import type { QuorateError } from '../../src/base/index.js';
import { must, type Prng } from '../../src/base/index.js';
import { CacheConsistency } from '../../src/codec/cache/index.js';
import type { ClientEngineOptions, ClientEnginePorts, ClientOperation } from '../../src/client/index.js';
import type { ClientTransport } from '../../src/ports/index.js';
import type { History, HistoryStatus, OpenOperation } from '../support/history-record.js';
import type { SafetyCheckers } from './checkers.js';
import { nowNs } from './clients.js';
import {
  drawFreshness,
  readAnswer,
  SdkWorkload,
  statusOfFailure,
  toClientOperation,
  type ReadFreshness,
  type SdkOutput,
  type SdkRequest,
} from './sdk-workload.js';
import type { Owner, SimLoop } from './world/loop.js';
import { NodeClock, NodeTimers, SeededEntropy } from './world/ports.js';

/** What a client needs of the SDK; a broken one can take its place (client-bugs.ts). */
export interface SdkEngine {
  start(onReady: () => void): void;
  submit(operation: ClientOperation, timeoutMs: number): number;
  cancel(handle: number, operation: ClientOperation): { readonly wasSent: boolean } | null;
  close(): void;
  readonly pendingCount: number;
}
export type CreateEngine = (ports: ClientEnginePorts, options: ClientEngineOptions) => SdkEngine;

export interface SdkWorld {
  readonly loop: SimLoop;
  readonly history: History;
  readonly checkers: SafetyCheckers;
  /** gRPC addresses of all nodes. */
  readonly addresses: readonly string[];
  readonly transport: (owner: Owner) => ClientTransport;
  readonly createEngine: CreateEngine;
  readonly counters: SdkCounters;
  /** Longest pause between two calls. */
  readonly thinkMsMax: number;
}

/** What became of the calls of all clients. */
export class SdkCounters {
  ok = 0;
  refused = 0;
  unknown = 0;
  cancelled = 0;
  /** Comparisons that held. */
  compared = 0;
  restarts = 0;
  /** By the code of the error. */
  readonly codes = new Map<string, number>();
}

/** Past its deadline a call may take this: a sweep of the engine, and a clock that is off by a thousandth. */
const SETTLE_MARGIN_MS = 25;
/** Most calls have time for a new leader; some have none. */
const TIMEOUTS_MS = [2_500, 2_500, 2_500, 1_200, 400, 60] as const;
const AFTER_FAILURE_MS = 120;
const CANCEL_CHANCE = 0.03;
const BURST_CHANCE = 0.12;
const RESTART_EVERY_MS = 4_000;
const RESTART_CHANCE = 0.3;
const PENDING_COUNT_MAX = 1_000;
const PENDING_BYTES_MAX = 1024 * 1024;

export class SdkViolation extends Error {
  override readonly name = 'SdkViolation';
}

const STRICT: ReadFreshness = { consistency: CacheConsistency.linearizable, maxStalenessMs: 0 };

interface Lane {
  client: number;
  /** Cancels the timer of a lane that thinks; null while a call is under way. */
  stopThinking: (() => void) | null;
}

interface Call {
  readonly lane: Lane;
  readonly request: SdkRequest;
  readonly recorded: OpenOperation;
  /** The highest version of the key that the client knew when it called. */
  readonly knownVersion: number;
  readonly atMs: number;
  settled: boolean;
}

export class SimSdkClient {
  readonly owner: Owner;
  /** True once a write succeeded since the last `demandWrite`. */
  wroteSince = false;
  private readonly workload: SdkWorkload;
  private readonly freshness: Prng;
  private readonly lanes: Lane[] = [];
  private readonly known = new Map<string, number>();
  private readonly clock: NodeClock;
  private readonly timers: NodeTimers;
  private engine: SdkEngine;
  private pending = 0;
  private position = 0;
  private lives = 0;
  private stopped = false;
  private script: string[] = [];

  constructor(
    private readonly world: SdkWorld,
    private readonly prng: Prng,
    private readonly number: number,
    lanes: number,
  ) {
    const { loop } = world;
    this.owner = loop.owner();
    this.workload = new SdkWorkload(prng.stream('workload'));
    this.freshness = prng.stream('freshness');
    this.clock = new NodeClock(loop, 1 + (prng.unit() - 0.5) * 0.002, prng.below(1_000_000));
    this.timers = new NodeTimers(loop, this.owner, this.clock, `timer sdk ${number}`);
    for (let i = 0; i < lanes; i++) {
      this.lanes.push({ client: world.history.freshClient(), stopThinking: null });
    }
    this.engine = this.connect();
  }

  start(): void {
    // Not waiting for the map: calls made before it is known must wait for it.
    this.engine.start(() => undefined);
    for (const lane of this.lanes) this.think(lane, this.prng.below(20));
    this.maybeRestartLater();
  }

  /** No new calls; those under way settle. */
  stop(): void {
    this.stopped = true;
  }

  get idle(): boolean {
    return this.pending === 0;
  }

  demandWrite(): void {
    this.wroteSince = false;
  }

  /** Instead of drawn requests: reads these keys, with their versions, each until it succeeds. */
  readAll(keys: readonly string[]): void {
    this.script = [...keys].reverse();
    for (const lane of this.lanes) this.think(lane, this.prng.below(20));
  }

  get scriptDone(): boolean {
    return this.script.length === 0 && this.idle;
  }

  private connect(): SdkEngine {
    const { prng, world } = this;
    const life = this.lives++;
    return world.createEngine(
      {
        clock: this.clock,
        timers: this.timers,
        entropy: new SeededEntropy(prng.stream(`entropy ${life}`)),
        transport: world.transport(this.owner),
      },
      {
        endpoints: prng.shuffle([...world.addresses]).slice(0, 2),
        pendingCountMax: PENDING_COUNT_MAX,
        pendingBytesMax: PENDING_BYTES_MAX,
      },
    );
  }

  /** Closes the client with whatever is under way; a new one takes its place in the same turn. */
  private maybeRestartLater(): void {
    this.world.loop.schedule(this.owner, this.prng.below(2 * RESTART_EVERY_MS), () => {
      if (this.stopped) return;
      if (this.prng.chance(RESTART_CHANCE)) {
        this.world.counters.restarts++;
        this.engine.close();
        this.engine = this.connect();
        this.engine.start(() => undefined);
      }
      this.maybeRestartLater();
    });
  }

  private think(lane: Lane, delayMs: number): void {
    lane.stopThinking?.();
    lane.stopThinking = this.world.loop.schedule(this.owner, delayMs, () => {
      lane.stopThinking = null;
      this.ask(lane);
    });
  }

  private ask(lane: Lane): void {
    const request = this.nextRequest(lane);
    if (request === null) return;
    this.call(lane, request);
    if (this.stopped || !this.prng.chance(BURST_CHANCE)) return;
    for (const other of this.lanes) {
      if (other.stopThinking === null) continue;
      other.stopThinking();
      other.stopThinking = null;
      const isOnSameKey = this.prng.chance(0.5);
      const { workload } = this;
      this.call(
        other,
        isOnSameKey ? workload.onSameKey(request.key, other.client) : workload.next(other.client),
      );
    }
  }

  private nextRequest(lane: Lane): SdkRequest | null {
    const key = this.script.pop();
    if (key !== undefined) return { op: 'get', key, value: null, ttlMs: 0, withMeta: true };
    if (this.stopped) return null;
    return this.wroteSince || this.prng.chance(0.7)
      ? this.workload.next(lane.client)
      : this.workload.certainWrite(lane.client);
  }

  private call(lane: Lane, drawn: SdkRequest): void {
    const request = drawn.op === 'get' ? { ...drawn, freshness: drawFreshness(this.freshness) } : drawn;
    const { consistency, maxStalenessMs } = request.freshness ?? STRICT;
    const isStale = consistency === CacheConsistency.stale;
    const isForAnyReplica = isStale || consistency === CacheConsistency.follower;
    const { loop, history } = this.world;
    const { engine } = this;
    const timeoutMs = this.prng.pick(TIMEOUTS_MS);
    const recorded: OpenOperation = {
      client: lane.client,
      op: request.op,
      key: request.key,
      value: request.value,
      expected: null,
      ...(request.expectedVersion === undefined ? {} : { expectedVersion: request.expectedVersion }),
      ttlMs: request.ttlMs,
      callNs: nowNs(loop),
      // Behind those of the RESP connections.
      connection: 1_000_000 + 1_000 * this.number + this.lives,
      position: this.position++,
      order: isForAnyReplica ? 'none' : 'writes',
      ...(isStale ? { staleMs: maxStalenessMs } : {}),
    };
    const knownVersion = isStale ? 0 : (this.known.get(request.key) ?? 0);
    const call: Call = { lane, request, recorded, knownVersion, atMs: loop.now(), settled: false };
    history.begin(recorded);
    this.pending++;
    const operation = toClientOperation(
      request,
      (answer) => this.onAnswer(call, readAnswer(request, answer)),
      (error) => this.onFailure(call, error),
    );
    const handle = engine.submit(operation, timeoutMs);
    loop.schedule(this.owner, timeoutMs + SETTLE_MARGIN_MS, () => {
      if (!call.settled) this.fail(call, `is not settled ${SETTLE_MARGIN_MS} ms after its deadline`);
    });
    if (this.prng.chance(CANCEL_CHANCE)) {
      loop.schedule(this.owner, this.prng.below(30), () => this.cancel(call, engine, handle, operation));
    }
  }

  private cancel(call: Call, engine: SdkEngine, handle: number, operation: ClientOperation): void {
    if (call.settled) return;
    const cancelled = engine.cancel(handle, operation);
    if (cancelled === null)
      this.fail(call, 'was answered by the word of `cancel`, but its caller knows nothing');
    this.world.counters.cancelled++;
    const mayHaveHappened = must(cancelled, 'cancelled').wasSent && call.request.op !== 'get';
    this.settle(call, mayHaveHappened ? 'unknown' : 'fail', null, 'cancelled');
    this.think(call.lane, this.thinkMs());
  }

  private onAnswer(call: Call, told: SdkOutput): void {
    const { request } = call;
    const { counters, checkers } = this.world;
    if (call.settled) this.fail(call, 'is answered again');
    counters.ok++;
    const isDone = told.output === 1;
    if (told.version !== undefined) this.checkVersion(call, told.version, isDone);
    if ((request.op === 'cas' || request.op === 'cad') && isDone) counters.compared++;
    this.settle(call, 'ok', told, String(told.output));
    const wrote = request.op === 'put' || request.op === 'incr' || (request.op !== 'get' && isDone);
    if (wrote) this.wroteSince = true;
    if (wrote && typeof request.value === 'string') checkers.onAcknowledgedValue(request.value);
    this.think(call.lane, this.thinkMs());
  }

  private onFailure(call: Call, error: QuorateError): void {
    const { counters } = this.world;
    if (call.settled) this.fail(call, `fails after it was settled: ${error.message}`);
    const status = statusOfFailure(call.request, error);
    if (status === null) this.fail(call, `failed with ${error.code}: ${error.message}`);
    const reason = error.details['lastReason'];
    const code = reason === undefined ? error.code : `${error.code} after ${reason}`;
    counters.codes.set(code, (counters.codes.get(code) ?? 0) + 1);
    if (status === 'unknown') counters.unknown++;
    else counters.refused++;
    this.settle(call, must(status, 'status'), null, error.code);
    if (this.script.length > 0 || this.stopped) this.script.push(...this.keyToReadAgain(call));
    this.think(call.lane, AFTER_FAILURE_MS);
  }

  /** A scripted read that did not succeed is asked again. */
  private keyToReadAgain({ request }: Call): string[] {
    return request.op === 'get' ? [request.key] : [];
  }

  private settle(call: Call, status: HistoryStatus, told: SdkOutput | null, words: string): void {
    const { loop, history } = this.world;
    const { lane, request } = call;
    call.settled = true;
    this.pending--;
    history.end(call.recorded, status, told?.output ?? null, nowNs(loop), told?.version);
    loop.note(`sdk ${lane.client} ${request.op} ${request.key} ${status} ${words} ${told?.version ?? ''}`);
    if (status === 'unknown') lane.client = history.freshClient();
  }

  private checkVersion(call: Call, version: number, isDone: boolean): void {
    const { key, expectedVersion } = call.request;
    if (call.recorded.staleMs !== undefined) return;
    this.workload.noteVersion(key, version);
    if (version === 0) return;
    if (version < call.knownVersion) {
      this.fail(call, `tells version ${version}, after ${call.knownVersion} had been told`);
    }
    if (isDone && expectedVersion !== undefined && version <= expectedVersion) {
      this.fail(call, `gave version ${version} to what had ${expectedVersion}`);
    }
    this.known.set(key, Math.max(version, this.known.get(key) ?? 0));
  }

  private fail({ request, lane, atMs }: Call, what: string): never {
    const asked = `${request.op} ${request.key} of client ${lane.client}, called at ${atMs.toFixed(3)} ms,`;
    throw new SdkViolation(`${asked} ${what} (at ${this.world.loop.now().toFixed(3)} ms)`);
  }

  /** Bursts and pauses: many operations meet, and yet a run is long enough for faults. */
  private thinkMs(): number {
    return this.prng.chance(0.4) ? this.prng.below(5) : this.prng.below(this.world.thinkMsMax);
  }
}
