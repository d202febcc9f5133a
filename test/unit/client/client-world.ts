/**
 * A client, without sessions unless a test says so, over a made-up cluster, in virtual time: nodes that answer from one table, or refuse, hold their answers,
 * fall silent or break their streams when a test says so. Every message takes one millisecond each way.
 */
import { encodeUtf8, ERROR_REASONS } from '../../../src/base/index.js';
import type { ErrorReason } from '../../../src/base/index.js';
import { connectWith } from '../../../src/client/index.js';
import type { CacheClient, ConnectOptions } from '../../../src/client/index.js';
import {
  encodeMapMessage,
  OperationKind,
  PipelineRequestReader,
  PipelineResponseWriter,
} from '../../../src/codec/cache/index.js';
import type { MapMessage } from '../../../src/codec/cache/index.js';
import type { ClientStreamHandler, ClientTransport } from '../../../src/ports/index.js';
import { LoopWorld } from '../../support/loop-world.js';

const WIRE_MS = 1;
const decoder = new TextDecoder();

export interface SeenOperation {
  readonly id: number;
  readonly kind: OperationKind;
  readonly key: string;
  readonly value: string;
  readonly delta: number | bigint;
  readonly expectedVersion: number;
  readonly condition: number;
  readonly withMeta: boolean;
  readonly expiryMs: number;
  /** Which message to this node it came with, from 0. */
  readonly message: number;
  readonly deadlineMs: number;
  readonly consistency: number;
  readonly maxStalenessMs: number;
  /** SESSION/SEQUENCE, or empty. */
  readonly session: string;
  readonly lowestUnanswered: number;
}

export interface Refusal {
  readonly reason: ErrorReason;
  readonly leaderNode?: number;
  readonly retryAfterMs?: number;
}

interface Stored {
  readonly value: string;
  readonly version: number;
}

class FakeStream {
  isOver = false;

  constructor(
    readonly node: FakeNode,
    readonly handler: ClientStreamHandler,
    private readonly world: LoopWorld,
  ) {}

  tell(run: (handler: ClientStreamHandler) => void): void {
    this.world.loop.schedule(0, WIRE_MS, () => {
      if (!this.isOver) run(this.handler);
    });
  }

  end(message: string): void {
    this.tell((handler) => {
      this.isOver = true;
      handler.onEnd({ code: 'UNAVAILABLE', message });
    });
  }
}

export class FakeNode {
  isUp = true;
  /** Takes connections and operations, and says nothing. */
  isSilent = false;
  /** Answers are kept until `release`. */
  holds = false;
  /** `write` says that the stream is full. */
  isFull = false;
  mapVersion = 0;
  refuse: (operation: SeenOperation) => Refusal | null = () => null;
  hints: { shard: number; node: number; term: number }[] = [];
  readonly seen: SeenOperation[] = [];
  messages = 0;
  pipelines = 0;
  readonly streams = new Set<FakeStream>();
  readonly watchers = new Set<FakeStream>();
  private held: (() => void)[] = [];

  constructor(
    readonly address: string,
    private readonly cluster: FakeCluster,
  ) {}

  keysSeen(): string[] {
    return this.seen.map(({ key }) => key);
  }

  take(stream: FakeStream, bytes: Uint8Array): void {
    const reader = new PipelineRequestReader().reset(bytes);
    const message = this.messages++;
    const operations: SeenOperation[] = [];
    while (reader.next()) {
      operations.push({
        id: reader.id,
        kind: reader.kind,
        key: decoder.decode(bytes.subarray(reader.keyStart, reader.keyEnd)),
        value: decoder.decode(bytes.subarray(reader.valueStart, reader.valueEnd)),
        delta: reader.delta,
        expectedVersion: reader.expectedVersion,
        condition: reader.condition,
        withMeta: reader.withMeta,
        expiryMs: reader.expiryMs,
        message,
        deadlineMs: reader.header.deadlineMs,
        consistency: reader.header.consistency,
        maxStalenessMs: reader.header.maxStalenessMs,
        session: reader.sequence === 0 ? '' : `${reader.header.session}/${reader.sequence}`,
        lowestUnanswered: reader.lowestUnanswered,
      });
    }
    this.seen.push(...operations);
    if (this.isSilent) return;
    const grants = reader.header.wantSession && this.cluster.grants;
    if (reader.header.wantSession && reader.count === 0) this.messages--;
    const answer = (): void => this.answer(stream, operations, grants);
    if (this.holds) this.held.push(answer);
    else answer();
  }

  /** Runs what was held, and holds no more. */
  release(): void {
    this.holds = false;
    for (const answer of this.held.splice(0)) answer();
  }

  breakStreams(): void {
    for (const stream of [...this.streams, ...this.watchers]) stream.end('connection reset');
    this.streams.clear();
    this.watchers.clear();
    this.held = [];
  }

  crash(): void {
    this.isUp = false;
    this.breakStreams();
  }

  drain(): void {
    this.isFull = false;
    for (const stream of this.streams) stream.tell((handler) => handler.onDrain());
  }

  private answer(stream: FakeStream, operations: readonly SeenOperation[], grants: boolean): void {
    const writer = new PipelineResponseWriter();
    writer.begin();
    for (const operation of operations) {
      const refusal = this.refuse(operation);
      if (refusal === null) this.cluster.applyOnce(writer, operation);
      else {
        const { number } = ERROR_REASONS[refusal.reason];
        const { leaderNode = 0, retryAfterMs = 0 } = refusal;
        writer.error(operation.id, number, `refused: ${refusal.reason}`, 1, leaderNode, '', 0, retryAfterMs);
      }
    }
    for (const { shard, node, term } of this.hints) writer.hint(shard, node, term);
    const bytes = writer.finish(this.mapVersion, grants ? this.cluster.grant() : null);
    stream.tell((handler) => handler.onMessage(bytes));
  }
}

export class FakeCluster {
  readonly nodes: readonly FakeNode[];
  readonly store = new Map<string, Stored>();
  /** Writes in the order in which they took effect. */
  readonly applied: SeenOperation[] = [];
  map: MapMessage;
  private version = 0;
  /** Whether sessions are granted. */
  grants = true;
  lifetimeMs = 600_000;
  granted = 0;
  /** By session and sequence: what was answered, as a way to say it again. */
  private readonly answered = new Map<string, (writer: PipelineResponseWriter, id: number) => void>();

  constructor(
    readonly world: LoopWorld,
    nodeCount = 3,
  ) {
    this.nodes = Array.from({ length: nodeCount }, (_, i) => new FakeNode(`node${i + 1}:7400`, this));
    this.map = this.mapOf(1, 1, [1, 2, 3]);
  }

  node(id: number): FakeNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Shards of equal ranges, one for each leader that is given. */
  mapOf(version: number, term: number, leaders: readonly number[], clusterId = 'cluster-1'): MapMessage {
    const size = Math.ceil(16_384 / leaders.length);
    return {
      clusterId,
      version,
      nodes: this.nodes.map(({ address }, i) => ({ id: i + 1, grpc: address, resp: '', respMoved: '' })),
      shards: leaders.map((leader, i) => ({
        id: i + 1,
        firstSlot: i * size,
        lastSlot: Math.min(16_384, (i + 1) * size) - 1,
        nodes: this.nodes.map((_, n) => n + 1),
        leader,
        term,
      })),
    };
  }

  /** Tells every watcher. */
  publish(map: MapMessage): void {
    this.map = map;
    for (const node of this.nodes) {
      for (const watcher of node.watchers) this.tellMap(watcher, map);
    }
  }

  tellMap(watcher: FakeStream, map: MapMessage): void {
    watcher.tell((handler) => handler.onMessage(encodeMapMessage(map)));
  }

  grant(): { session: number; grantedMs: number; lifetimeMs: number } {
    return { session: ++this.granted, grantedMs: 1, lifetimeMs: this.lifetimeMs };
  }

  /** As a shard does: what comes again in its session gets its answer again. */
  applyOnce(writer: PipelineResponseWriter, operation: SeenOperation): void {
    const known = this.answered.get(operation.session);
    if (known !== undefined) return known(writer, operation.id);
    const { result } = writer;
    if (operation.session !== '') {
      writer.result = (_id, ...rest): void => {
        this.answered.set(operation.session, (later, id) => later.result(id, ...rest));
        result.call(writer, operation.id, ...rest);
      };
    }
    this.apply(writer, operation);
    writer.result = result;
  }

  private apply(writer: PipelineResponseWriter, operation: SeenOperation): void {
    const { id, key, kind, value } = operation;
    const present = this.store.get(key);
    const put = (next: string): number => {
      this.applied.push(operation);
      this.store.set(key, { value: next, version: ++this.version });
      return this.version;
    };
    const result = (
      found: boolean,
      applied: boolean,
      bytes: string | null,
      version: number,
      number: number | bigint | null = null,
    ): void => {
      const encoded = bytes === null ? null : encodeUtf8(bytes);
      writer.result(id, found, applied, encoded, 0, encoded?.length ?? 0, version, number, 0);
    };
    switch (kind) {
      case OperationKind.get:
        result(present !== undefined, false, present?.value ?? null, present?.version ?? 0);
        return;
      case OperationKind.set: {
        const holds = operation.condition === 0 || (operation.condition === 1) === (present === undefined);
        result(present !== undefined, holds, null, holds ? put(value) : (present?.version ?? 0));
        return;
      }
      case OperationKind.compareAndSet: {
        const holds = operation.expectedVersion === (present?.version ?? 0);
        result(present !== undefined, holds, null, holds ? put(value) : (present?.version ?? 0));
        return;
      }
      case OperationKind.increment: {
        const sum = Number(present?.value ?? 0) + Number(operation.delta);
        result(present !== undefined, true, null, put(String(sum)), sum);
        return;
      }
      case OperationKind.delete:
      case OperationKind.compareAndDelete:
        if (present !== undefined) this.applied.push(operation);
        this.store.delete(key);
        result(present !== undefined, present !== undefined, null, 0);
        return;
      case OperationKind.touch:
      case OperationKind.persist:
      case OperationKind.none:
        result(present !== undefined, present !== undefined, null, present?.version ?? 0);
    }
  }

  readonly transport: ClientTransport = {
    openPipeline: (address, handler) => {
      const node = this.at(address);
      const stream = new FakeStream(node, handler, this.world);
      if (!node.isUp) stream.end('connection refused');
      else {
        node.pipelines++;
        node.streams.add(stream);
        stream.tell(() => handler.onOpen());
      }
      return {
        write: (bytes) => {
          this.world.loop.schedule(0, WIRE_MS, () => {
            if (!stream.isOver && node.isUp) node.take(stream, bytes);
          });
          return !node.isFull;
        },
        close: () => {
          stream.isOver = true;
          node.streams.delete(stream);
        },
      };
    },
    watchShardMap: (address, handler) => {
      const node = this.at(address);
      const stream = new FakeStream(node, handler, this.world);
      if (!node.isUp) stream.end('connection refused');
      else {
        node.watchers.add(stream);
        if (!node.isSilent) this.tellMap(stream, this.map);
      }
      return {
        close: () => {
          stream.isOver = true;
          node.watchers.delete(stream);
        },
      };
    },
    close: () => undefined,
  };

  private at(address: string): FakeNode {
    const node = this.nodes.find((candidate) => candidate.address === address);
    if (node === undefined) throw new Error(`nobody is at ${address}`);
    return node;
  }
}

/** What became of a promise so far. */
export class Outcome<T> {
  state: 'pending' | 'ok' | 'failed' = 'pending';
  value: T | undefined;
  error: unknown;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => {
        this.state = 'ok';
        this.value = value;
      },
      (error: unknown) => {
        this.state = 'failed';
        this.error = error;
      },
    );
  }

  /** Code of the error; the state when there is none. */
  get code(): string {
    return this.state === 'failed' ? String((this.error as { code?: unknown }).code) : this.state;
  }
}

export class ClientWorld {
  readonly world: LoopWorld;
  readonly cluster: FakeCluster;

  constructor(seed = 1, nodeCount = 3) {
    this.world = new LoopWorld(seed);
    this.cluster = new FakeCluster(this.world, nodeCount);
  }

  connect(options: Partial<ConnectOptions> = {}): Outcome<CacheClient> {
    const { clock, timers, entropy } = this.world;
    return new Outcome(
      connectWith(
        { clock, timers, entropy, transport: this.cluster.transport },
        { endpoints: this.cluster.nodes.map(({ address }) => address), sessions: false, ...options },
      ),
    );
  }

  async client(options: Partial<ConnectOptions> = {}): Promise<CacheClient> {
    const outcome = this.connect(options);
    await this.run(20);
    if (outcome.value === undefined) throw new Error(`not connected: ${String(outcome.error)}`);
    return outcome.value;
  }

  /** Lets virtual time pass, and then every promise that is settled be seen. */
  async run(ms: number): Promise<void> {
    this.world.run(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Follows a promise. */
export function outcomeOf<T>(promise: Promise<T>): Outcome<T> {
  return new Outcome(promise);
}
