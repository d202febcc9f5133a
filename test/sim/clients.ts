/**
 * Simulated clients: plain RESP over simulated streams, to any node.
 *
 * A connection has a few lanes; each lane is a closed loop (ask, wait, think), and the lanes of a connection
 * pipeline. A lane is one client of the history, and takes a fresh number after an unknown outcome. A connection
 * that closes, or whose oldest request gets no answer in time, leaves all its open requests unknown and goes to
 * another node. After a definite failure a lane waits longer, so that an outage isn't all that a run consists of.
 */
import { must, type Prng } from '../../src/base/index.js';
import type { ByteStream, StreamHandler } from '../../src/ports/index.js';
import type { History, HistoryStatus, HistoryValue, OpenOperation } from '../support/history-record.js';
import type { SafetyCheckers } from './checkers.js';
import { encodeRequest, RespReplies, type RespReply } from './resp-replies.js';
import type { Owner, SimLoop } from './world/loop.js';
import { get, interpretReply, type Request, Workload } from './workload.js';

export interface ClientWorld {
  readonly loop: SimLoop;
  readonly history: History;
  readonly checkers: SafetyCheckers;
  /** RESP addresses of all nodes. */
  readonly addresses: readonly string[];
  readonly connect: (owner: Owner, address: string, handler: StreamHandler) => ByteStream;
  /** Longest pause between two requests. */
  readonly thinkMsMax: number;
}

/** Longer than a node's own request time-out, so that its honest "unknown" comes first. */
const REPLY_TIMEOUT_MS = 4_000;
const RECONNECT_MS = 40;
const AFTER_FAILURE_MS = 120;
/** A lane that asks takes along all that think: one write, as pipelines have it. */
const BURST_CHANCE = 0.4;

interface Pending {
  readonly lane: Lane;
  readonly request: Request;
  readonly operation: OpenOperation;
}

interface Lane {
  client: number;
  /** A request is under way. */
  busy: boolean;
  /** Cancels the timer of a lane that thinks. */
  stopThinking: (() => void) | null;
}

export class UnexpectedReply extends Error {
  override readonly name = 'UnexpectedReply';
}

export class SimConnection {
  /** True once a write of this connection succeeded since the last `demandWrite`. */
  wroteSince = false;
  readonly owner: Owner;
  private readonly workload: Workload;
  private readonly lanes: Lane[] = [];
  private readonly pending: Pending[] = [];
  private stream: ByteStream | null = null;
  /** Somebody answered the greeting: what is asked before may never have left, and would be unknown for nothing. */
  private greeted = false;
  private replies = new RespReplies();
  /** Grows with every connection: what an older stream still says is not heard. */
  private generation = 0;
  private position = 0;
  private stopped = false;
  private script: Request[] = [];
  private isScripted = false;
  /** Requests of the script that are under way. */
  private readonly scripted = new Set<Request>();

  constructor(
    private readonly world: ClientWorld,
    private readonly prng: Prng,
    private readonly number: number,
    lanes: number,
  ) {
    this.owner = world.loop.owner();
    this.workload = new Workload(prng.stream('workload'));
    for (let i = 0; i < lanes; i++) {
      this.lanes.push({ client: world.history.freshClient(), busy: false, stopThinking: null });
    }
  }

  start(): void {
    this.connect();
  }

  /** No new requests; those under way are answered or become unknown. */
  stop(): void {
    this.stopped = true;
  }

  get idle(): boolean {
    return this.pending.length === 0;
  }

  demandWrite(): void {
    this.wroteSince = false;
  }

  /** Instead of drawn requests: reads these keys, each until it succeeds. */
  readAll(keys: readonly string[]): void {
    this.runScript(keys.map((key) => get(key)));
  }

  /** Instead of drawn requests: writes to these keys, each until one succeeds. */
  writeAll(keys: readonly string[]): void {
    const client = must(this.lanes[0], 'lane').client;
    this.runScript(keys.map((key) => this.workload.putTo(key, client)));
  }

  get scriptDone(): boolean {
    return this.script.length === 0 && this.idle;
  }

  private runScript(requests: readonly Request[]): void {
    this.isScripted = true;
    this.script = [...requests].reverse();
    // A connection that was lost after `stop` was not opened again.
    this.connect();
    this.wake();
  }

  private connect(): void {
    if (this.stream !== null) return;
    const generation = ++this.generation;
    const address = this.prng.pick(this.world.addresses);
    this.replies = new RespReplies();
    this.greeted = false;
    this.stream = this.world.connect(this.owner, address, {
      onData: (bytes) => {
        if (generation === this.generation) for (const r of this.replies.push(bytes)) this.onReply(r);
      },
      onDrain: () => undefined,
      onClose: () => {
        if (generation === this.generation) this.onClose();
      },
    });
    this.stream.write(encodeRequest(['PING']));
    this.giveUpLater(() => !this.greeted);
  }

  /** Closes this connection when it is still the same and still hopeless after the time-out. */
  private giveUpLater(hopeless: () => boolean): void {
    const generation = this.generation;
    this.world.loop.schedule(this.owner, REPLY_TIMEOUT_MS, () => {
      if (generation !== this.generation || !hopeless()) return;
      this.stream?.destroy();
      if (generation === this.generation) this.onClose();
    });
  }

  private wake(): void {
    for (const lane of this.lanes) {
      if (!lane.busy && lane.stopThinking === null) this.think(lane, this.prng.below(20));
    }
  }

  private think(lane: Lane, delayMs: number): void {
    lane.busy = false;
    lane.stopThinking = this.world.loop.schedule(this.owner, delayMs, () => {
      lane.stopThinking = null;
      this.askSome(lane);
    });
  }

  private askSome(first: Lane): void {
    const stream = this.stream;
    if (stream === null || !this.greeted) return;
    const requests: (readonly string[])[] = [];
    this.ask(first, requests);
    if (requests.length > 0 && this.prng.chance(BURST_CHANCE)) {
      for (const lane of this.lanes) {
        if (lane.stopThinking === null) continue;
        lane.stopThinking();
        lane.stopThinking = null;
        this.ask(lane, requests);
      }
    }
    if (requests.length > 0) stream.write(Buffer.concat(requests.map(encodeRequest)));
  }

  private ask(lane: Lane, requests: (readonly string[])[]): void {
    const request = this.nextRequest(lane);
    if (request === null) return;
    const { loop, history } = this.world;
    const operation: OpenOperation = {
      client: lane.client,
      op: request.op,
      key: request.key,
      value: request.value,
      expected: null,
      ttlMs: request.ttlMs,
      callNs: nowNs(loop),
      connection: this.number,
      position: this.position++,
    };
    lane.busy = true;
    history.begin(operation);
    this.pending.push({ lane, request, operation });
    requests.push(request.parts);
    this.giveUpLater(() => this.pending.some((p) => p.operation === operation));
  }

  private nextRequest(lane: Lane): Request | null {
    const request = this.script.pop();
    if (request !== undefined) {
      this.scripted.add(request);
      return request;
    }
    if (this.stopped || this.isScripted) return null;
    return this.wroteSince || this.prng.chance(0.7)
      ? this.workload.next(lane.client)
      : this.workload.certainWrite(lane.client);
  }

  private onReply(reply: RespReply): void {
    if (!this.greeted && reply.kind === 'status') {
      this.greeted = true;
      return this.wake();
    }
    const pending = this.pending.shift();
    if (!pending) throw new UnexpectedReply(`connection ${this.number} got ${JSON.stringify(reply)} unasked`);
    const outcome = interpretReply(pending.request, reply);
    if (outcome === null) {
      const asked = pending.request.parts.join(' ').slice(0, 100);
      throw new UnexpectedReply(`"${asked}" was answered by ${JSON.stringify(reply)}`);
    }
    this.finish(pending, outcome.status, outcome.output);
    this.think(pending.lane, outcome.status === 'ok' ? this.thinkMs() : AFTER_FAILURE_MS);
  }

  private onClose(): void {
    this.stream = null;
    this.generation++;
    for (const pending of this.pending.splice(0)) {
      this.finish(pending, 'unknown', null);
      pending.lane.busy = false;
    }
    if (this.stopped && !this.isScripted) return;
    this.world.loop.schedule(this.owner, RECONNECT_MS + this.prng.below(RECONNECT_MS), () => this.connect());
  }

  private finish({ lane, request, operation }: Pending, status: HistoryStatus, output: HistoryValue): void {
    const { loop, history, checkers } = this.world;
    history.end(operation, status, output, nowNs(loop));
    loop.note(`client ${lane.client} ${request.op} ${request.key} ${status} ${String(output)}`);
    if (status === 'unknown') lane.client = history.freshClient();
    if (status !== 'ok') {
      this.retryScripted(request);
      return;
    }
    this.scripted.delete(request);
    if (request.op !== 'get') this.wroteSince = true;
    const took = request.op === 'put' || (request.op === 'put_if_absent' && output === 1);
    if (took) checkers.onAcknowledgedValue(String(request.value));
  }

  /** What did not succeed is asked again; a write with another value, since the first may still take effect. */
  private retryScripted(request: Request): void {
    if (!this.scripted.delete(request)) return;
    const { client } = must(this.lanes[0], 'lane');
    this.script.push(request.op === 'get' ? request : this.workload.putTo(request.key, client));
  }

  /** Bursts and pauses: many operations meet, and yet a run is long enough for faults. */
  private thinkMs(): number {
    return this.prng.chance(0.4) ? this.prng.below(5) : this.prng.below(this.world.thinkMsMax);
  }
}

export function nowNs(loop: SimLoop): number {
  return Math.round(loop.now() * 1e6);
}
