/**
 * The RESP front end of a node: accepts streams, shares one encoder and one scratch buffer among its connections,
 * and gives each connection with something to do one turn per turn of the event loop.
 */
import { assert, ByteWriter, encodeUtf8, type MetricsRegistry } from '../../base/index.js';
import type { ByteStream, Clock, Entropy, Logger, StreamHandler, Timers } from '../../ports/index.js';
import type { RespRouting } from '../../settings/index.js';
import type { ClusterDirectory, CommandGateway } from '../gateway-port.js';
import type { ClientRow, ConfigRow, InfoFacts } from './command-context.js';
import { CommandTable } from './command-table.js';
import { Connection, type ConnectionHost } from './connection.js';
import { KeySplitter } from './key-splitter.js';
import { ListenerView } from './listener-view.js';
import { COMMAND_WORK_BYTES, LINGER_MS, OUTPUT_SOFT_CHECK_MS, TURN_WORK_BYTES } from './limits.js';
import { RespMetrics } from './metrics.js';
import { ResultEncoder } from './result-encoder.js';

export interface RespLimits {
  readonly valueBytesMax: number;
  readonly commandBytesMax: number;
  readonly connectionsMax: number;
  /** Replies that a client has not taken: past it the client is closed at once. */
  readonly outputBytesMax: number;
  /** The same, past it for ten seconds on end. */
  readonly outputSoftBytesMax: number;
  readonly requestTimeoutMs: number;
}

export interface RespServerDeps {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly limits: RespLimits;
  readonly info: () => InfoFacts;
  /** What CONFIG GET shows. */
  readonly config: () => readonly ConfigRow[];
}

export interface RespServer {
  /** A new client of a listener of this routing. */
  accept(stream: ByteStream, routing: RespRouting): StreamHandler;
  /** Takes no new connection or command, answers what waits, closes. `done` once every connection is closed. */
  close(done: () => void): void;
  readonly connectionCount: number;
}

const TOO_MANY_CLIENTS = 'ERR max number of clients reached';
/** A scratch buffer above this size is given back after the command that needed it. */
const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

export function createRespServer(deps: RespServerDeps): RespServer {
  return new Server(deps);
}

class Server implements RespServer, ConnectionHost {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly limits: RespLimits;
  readonly config: () => readonly ConfigRow[];
  readonly encoder = new ResultEncoder();
  readonly splitter = new KeySplitter();
  readonly commands = new CommandTable();
  readonly metrics: RespMetrics;
  scratch = new ByteWriter(1024);
  private readonly views: Readonly<Record<RespRouting, ListenerView>>;

  private readonly connections = new Set<Connection>();
  /** Those that don't read, longest wait first: room goes to them in this order, so that none starves. */
  private readonly paused = new Set<Connection>();
  /** Those with more unsent than the soft limit allows for long. */
  private readonly slow = new Set<Connection>();
  /** Connections to be given a turn, and those being given one: two lists that change places. */
  private waiting: Connection[] = [];
  private running: Connection[] = [];
  private turnScheduled = false;
  private readonly runTurn = (): void => this.turn();
  /** Work handed in since the last turn, see TURN_WORK_BYTES. */
  private work = 0;
  private turns = 0;
  private readonly runSlowCheck = (): void => this.checkSlow();
  private closed: (() => void) | null = null;

  constructor(private readonly deps: RespServerDeps) {
    this.gateway = deps.gateway;
    this.directory = deps.directory;
    this.clock = deps.clock;
    this.entropy = deps.entropy;
    this.limits = deps.limits;
    this.config = deps.config;
    this.metrics = new RespMetrics(deps.metrics, this.commands.rows, () => this.connections.size);
    this.views = { forward: new ListenerView(this, 'forward'), moved: new ListenerView(this, 'moved') };
    deps.gateway.onRoom(() => this.onRoom());
  }

  accept(stream: ByteStream, routing: RespRouting): StreamHandler {
    if (this.closed !== null) return this.reject(stream, 'stopping');
    if (this.connections.size >= this.limits.connectionsMax) return this.reject(stream, 'limit');
    const connection = new Connection(stream, this, this.views[routing]);
    this.connections.add(connection);
    return connection;
  }

  close(done: () => void): void {
    assert(this.closed === null, 'the RESP server is closed twice');
    this.closed = done;
    for (const connection of this.connections) connection.quit();
    if (this.connections.size === 0) return this.deps.timers.soon(done);
    // Every command is answered by its deadline; whoever doesn't take the answer then is cut off.
    this.deps.timers.after(this.limits.requestTimeoutMs + LINGER_MS, () => {
      for (const connection of [...this.connections]) connection.destroy();
    });
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  // What connections see.

  get clientCount(): number {
    return this.connections.size;
  }

  get valueBytesMax(): number {
    return this.limits.valueBytesMax;
  }

  info(): InfoFacts {
    return this.deps.info();
  }

  clients(): Iterable<ClientRow> {
    return this.connections;
  }

  schedule(connection: Connection): void {
    if (connection.scheduled) return;
    connection.scheduled = true;
    this.waiting.push(connection);
    this.scheduleTurn();
  }

  private scheduleTurn(): void {
    if (this.turnScheduled) return;
    this.turnScheduled = true;
    this.deps.timers.soon(this.runTurn);
  }

  get isTurnSpent(): boolean {
    return this.work >= TURN_WORK_BYTES;
  }

  spend(bytes: number): void {
    if (this.work === 0) this.scheduleTurn();
    this.work += COMMAND_WORK_BYTES + bytes;
  }

  onPaused(connection: Connection): void {
    this.paused.delete(connection);
    this.paused.add(connection);
  }

  onResumed(connection: Connection): void {
    this.paused.delete(connection);
  }

  onSlow(connection: Connection): void {
    if (this.slow.size === 0) this.deps.timers.after(OUTPUT_SOFT_CHECK_MS, this.runSlowCheck);
    this.slow.add(connection);
  }

  onEnded(connection: Connection): void {
    this.deps.timers.after(LINGER_MS, () => connection.destroy());
  }

  onClosed(connection: Connection): void {
    this.connections.delete(connection);
    this.paused.delete(connection);
    this.slow.delete(connection);
    if (this.closed !== null && this.connections.size === 0) this.deps.timers.soon(this.closed);
  }

  private turn(): void {
    this.turnScheduled = false;
    this.work = 0;
    const running = this.waiting;
    this.waiting = this.running;
    // Another one is first each time: whoever comes first may use up the turn's work.
    const first = running.length > 0 ? this.turns++ % running.length : 0;
    for (let i = 0; i < running.length; i++) {
      const connection = running[(first + i) % running.length] as Connection;
      connection.scheduled = false;
      connection.turn();
    }
    running.length = 0;
    this.running = running;
    if (this.scratch.buffer.length > SCRATCH_BYTES_KEPT_MAX) this.scratch = new ByteWriter(1024);
  }

  private checkSlow(): void {
    for (const connection of [...this.slow]) if (!connection.isStillSlow()) this.slow.delete(connection);
    if (this.slow.size > 0) this.deps.timers.after(OUTPUT_SOFT_CHECK_MS, this.runSlowCheck);
  }

  private onRoom(): void {
    for (const connection of this.paused) this.schedule(connection);
  }

  private reject(stream: ByteStream, reason: 'limit' | 'stopping'): StreamHandler {
    this.metrics.rejected(reason);
    this.deps.logger.debug('connection rejected', { reason, remoteAddress: stream.remoteAddress });
    if (reason === 'limit') stream.write(encodeUtf8(`-${TOO_MANY_CLIENTS}\r\n`));
    stream.end();
    // A client that neither reads nor closes must not hold the socket.
    const cancel = this.deps.timers.after(LINGER_MS, () => stream.destroy());
    return { onData: ignore, onDrain: ignore, onClose: cancel };
  }
}

function ignore(): void {
  // A rejected client has nothing to say.
}
