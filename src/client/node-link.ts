/**
 * The stream of operations to one node: opened when it is needed, opened again after a growing wait. Operations that
 * are added within a turn leave as one message, or as several of at most 256 KiB or 1,024 operations.
 *
 * Nothing is written before the stream stands: so what was written may have arrived, and what wasn't certainly didn't.
 */
import type { MonoMs } from '../base/index.js';
import { PipelineRequestWriter } from '../codec/cache/index.js';
import type { ClientStream, ClientTransport, Clock, Entropy } from '../ports/index.js';
import { backoffMs } from './backoff.js';
import type { ClientSession } from './client-session.js';
import { operationBytes, writeOperation } from './operation.js';
import type { ClientOperation } from './operation.js';

const BATCH_OPERATIONS_MAX = 1024;
const BATCH_BYTES_MAX = 256 * 1024;
const REOPEN_MS_MIN = 20;
const REOPEN_MS_MAX = 1000;
/** The server is told less than what is left, so that its answer is here before the deadline is. */
const ANSWER_MS = 50;
/** What the header's field holds. */
const DEADLINE_MS_MAX = 0xffffffff;
/** A request has one deadline for all its operations; one may share it when its own is within these bounds of it. */
const SHARED_DEADLINE_MIN = 0.5;
const SHARED_DEADLINE_MAX = 1.1;

export interface NodeLinkPorts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly transport: ClientTransport;
}

export interface NodeLinkOwner {
  /** Operations may be added now: the stream stands, or has room again. */
  onRoom(link: NodeLink): void;
  onMessage(link: NodeLink, bytes: Uint8Array): void;
  /** The stream is gone, and with it what was sent and not answered. */
  onLost(link: NodeLink, why: string): void;
}

export type LinkState = 'idle' | 'opening' | 'open';

export class NodeLink {
  state: LinkState = 'idle';
  /** Streams in a row that ended before a message came. */
  failures = 0;
  lastFailure = '';
  /** While idle: not to be opened before. */
  retryAt: MonoMs = 0;
  /** While opening: since when. */
  openingSince: MonoMs = 0;
  /** Operations sent and not answered, and since when nothing was heard although there were some. */
  sentCount = 0;
  waitingSince: MonoMs = 0;
  /** Was silent for long: others are preferred until something is heard. */
  isSuspect = false;
  isFull = false;
  private attempt = 0;
  private stream: ClientStream | null = null;
  private readonly writer = new PipelineRequestWriter();
  private batchCount = 0;
  private batchBytes = 0;
  private batchLeftMs = 0;
  private readonly header = {
    deadlineMs: 0,
    session: 0,
    consistency: 0,
    mapVersion: 0,
    maxStalenessMs: 0,
    sessionGrantedMs: 0,
    sessionLifetimeMs: 0,
  };

  constructor(
    readonly address: string,
    private readonly ports: NodeLinkPorts,
    private readonly owner: NodeLinkOwner,
  ) {}

  get isUsable(): boolean {
    return this.state === 'open' && !this.isSuspect;
  }

  mayOpen(now: MonoMs): boolean {
    return this.state === 'idle' && now >= this.retryAt;
  }

  open(now: MonoMs): void {
    const attempt = ++this.attempt;
    this.state = 'opening';
    this.openingSince = now;
    this.isSuspect = false;
    this.isFull = false;
    const isCurrent = (): boolean => attempt === this.attempt;
    this.stream = this.ports.transport.openPipeline(this.address, {
      onOpen: () => {
        if (!isCurrent()) return;
        this.state = 'open';
        this.owner.onRoom(this);
      },
      onMessage: (bytes) => {
        if (!isCurrent()) return;
        this.failures = 0;
        this.isSuspect = false;
        this.waitingSince = this.ports.clock.monoMs();
        this.owner.onMessage(this, bytes);
      },
      onDrain: () => {
        if (!isCurrent()) return;
        this.isFull = false;
        this.owner.onRoom(this);
      },
      onEnd: (failure) => {
        if (isCurrent()) this.lose(failure.message);
      },
    });
  }

  /** Ends the stream from here, as if it had broken. */
  lose(why: string): void {
    this.close();
    this.failures++;
    this.lastFailure = why;
    this.retryAt =
      this.ports.clock.monoMs() + backoffMs(this.ports.entropy, this.failures, REOPEN_MS_MIN, REOPEN_MS_MAX);
    this.owner.onLost(this, why);
  }

  /** Ends the stream without a word. */
  close(): void {
    this.attempt++;
    this.stream?.close();
    this.stream = null;
    this.state = 'idle';
    this.isSuspect = false;
  }

  /** Asks for a session; the answer is in a response. */
  askForSession(): void {
    this.flush();
    this.writer.begin({ wantSession: true });
    if (this.stream !== null && !this.stream.write(this.writer.finish())) this.isFull = true;
  }

  /**
   * Adds an operation to the message that `flush` sends; `leftMs` of its deadline are left. With a session, `sequence` and
   * `lowestUnanswered` are its place there.
   */
  add(
    id: number,
    operation: ClientOperation,
    leftMs: number,
    mapVersion: number,
    session: ClientSession | null = null,
    sequence = 0,
    lowestUnanswered = 0,
  ): void {
    const bytes = operationBytes(operation);
    if (this.batchCount > 0 && !this.fits(operation, bytes, leftMs, session)) this.flush();
    if (this.batchCount === 0) {
      this.batchLeftMs = leftMs;
      this.header.deadlineMs = Math.max(1, Math.min(DEADLINE_MS_MAX, toldMs(leftMs)));
      this.header.consistency = operation.consistency;
      this.header.maxStalenessMs = operation.maxStalenessMs ?? 0;
      this.header.mapVersion = mapVersion;
      this.setSession(session);
      this.writer.begin(this.header);
    }
    if (session !== null) this.writer.inSession(sequence, lowestUnanswered);
    writeOperation(this.writer, id, operation);
    this.batchCount++;
    this.batchBytes += bytes;
    if (this.sentCount++ === 0) this.waitingSince = this.ports.clock.monoMs();
    if (this.batchCount >= BATCH_OPERATIONS_MAX || this.batchBytes >= BATCH_BYTES_MAX) this.flush();
  }

  flush(): void {
    if (this.batchCount === 0) return;
    this.batchCount = 0;
    this.batchBytes = 0;
    const message = this.writer.finish();
    if (this.stream !== null && !this.stream.write(message)) this.isFull = true;
  }

  private setSession(session: ClientSession | null): void {
    const { header } = this;
    header.session = session?.grant.session ?? 0;
    header.sessionGrantedMs = session?.grant.grantedMs ?? 0;
    header.sessionLifetimeMs = session?.grant.lifetimeMs ?? 0;
  }

  /** A message has one session; what has none may be in it, but not the other way round. */
  private fits(
    operation: ClientOperation,
    bytes: number,
    leftMs: number,
    session: ClientSession | null,
  ): boolean {
    return (
      (session === null || session.grant.session === this.header.session) &&
      this.batchBytes + bytes <= BATCH_BYTES_MAX &&
      operation.consistency === this.header.consistency &&
      (operation.maxStalenessMs ?? 0) === this.header.maxStalenessMs &&
      leftMs >= this.batchLeftMs * SHARED_DEADLINE_MIN &&
      leftMs <= this.batchLeftMs * SHARED_DEADLINE_MAX
    );
  }
}

function toldMs(leftMs: number): number {
  return Math.floor(leftMs - Math.min(ANSWER_MS, leftMs / 10));
}
