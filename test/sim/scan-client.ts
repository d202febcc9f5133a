/**
 * A simulated client that walks the keyspace with SCAN again and again while leaders change and the table grows (E122).
 *
 * It keeps keys of its own that nobody deletes. Every key whose SET was acknowledged before a walk began must be
 * returned by that walk, whatever happens meanwhile; a page that fails is asked for again with the same cursor, through
 * any node. Between pages it adds further keys, up to a limit.
 */
import { must, type Prng } from '../../src/base/index.js';
import type { ByteStream } from '../../src/ports/index.js';
import { UnexpectedReply, type ClientWorld } from './clients.js';
import { encodeRequest, RespReplies, type RespReply } from './resp-replies.js';
import { ALL_KEYS } from './workload.js';
import type { Owner } from './world/loop.js';

const STAYING_COUNT = 30;
const KEYS_MAX = 150;
/** Longer than a node's own request time-out, so that its honest word comes first. */
const REPLY_TIMEOUT_MS = 4_000;
const PAUSE_MS_MAX = 80;
const AFTER_FAILURE_MS = 120;
const GROW_CHANCE = 0.5;

export class ScanViolation extends Error {
  override readonly name = 'ScanViolation';
}

export class SimScanner {
  readonly owner: Owner;
  /** Walks from cursor 0 to cursor 0. */
  walks = 0;
  /** Of these, how many saw a leader elected in between. */
  walksAcrossElections = 0;
  private stream: ByteStream | null = null;
  private replies = new RespReplies();
  /** Grows with every connection: what an older stream still says is not heard. */
  private generation = 0;
  private request: readonly string[] | null = null;
  private stopped = false;
  /** Keys that stay: their SETs were acknowledged. */
  private readonly staying: string[] = [];
  private isWalking = false;
  private cursor = '0';
  private owed = new Set<string>();
  private electionsBefore = 0;

  constructor(
    private readonly world: ClientWorld,
    private readonly prng: Prng,
  ) {
    this.owner = world.loop.owner();
  }

  start(): void {
    this.connect();
  }

  /** No new walk; the one under way goes on to its end. */
  stop(): void {
    this.stopped = true;
  }

  get idle(): boolean {
    return this.stopped && this.request === null && !this.isWalking;
  }

  private connect(): void {
    const generation = ++this.generation;
    this.replies = new RespReplies();
    this.stream = this.world.connect(this.owner, this.prng.pick(this.world.addresses), {
      onData: (bytes) => {
        if (generation === this.generation) for (const r of this.replies.push(bytes)) this.onReply(r);
      },
      onDrain: () => undefined,
      onClose: () => {
        if (generation === this.generation) this.reconnect();
      },
    });
    this.later(0, () => this.ask());
  }

  private reconnect(): void {
    this.generation++;
    this.stream = null;
    this.world.loop.schedule(this.owner, this.prng.between(20, 100), () => this.connect());
  }

  /** Unless the connection is another by then. */
  private later(delayMs: number, run: () => void): void {
    const { generation } = this;
    this.world.loop.schedule(this.owner, delayMs, () => {
      if (generation === this.generation) run();
    });
  }

  private ask(): void {
    const request = this.nextRequest();
    this.request = request;
    if (request === null) return;
    must(this.stream, 'stream').write(encodeRequest(request));
    this.later(REPLY_TIMEOUT_MS, () => {
      if (this.request !== request) return;
      this.stream?.destroy();
      this.reconnect();
    });
  }

  /** What had no answer is asked again: both requests may be repeated. */
  private nextRequest(): readonly string[] | null {
    if (this.request !== null) return this.request;
    const isGrowing = this.staying.length < KEYS_MAX && this.prng.chance(GROW_CHANCE);
    if (this.staying.length < STAYING_COUNT || (this.isWalking && isGrowing)) {
      const key = `k${this.staying.length}`;
      return ['SET', key, `${key} stays`];
    }
    if (!this.isWalking) {
      if (this.stopped) return null;
      this.isWalking = true;
      this.cursor = '0';
      this.owed = new Set(this.staying);
      this.electionsBefore = this.world.checkers.elections;
    }
    const request = ['SCAN', this.cursor, 'COUNT', String(this.prng.between(2, 12))];
    return this.prng.chance(0.3) ? [...request, 'MATCH', 'k*'] : request;
  }

  private onReply(reply: RespReply): void {
    const request = must(this.request, 'request');
    if (reply.kind === 'error') {
      if (!/^(TRYAGAIN|CLUSTERDOWN|OUTCOMEUNKNOWN|LOADING|OOM|MISCONF) /.test(reply.text))
        this.unexpected(request, reply);
      return this.later(AFTER_FAILURE_MS, () => this.ask());
    }
    this.request = null;
    this.world.loop.note(`scanner ${request.join(' ')}`);
    if (request[0] === 'SET') {
      if (reply.kind !== 'status') this.unexpected(request, reply);
      this.staying.push(must(request[1], 'key'));
    } else this.takePage(request, reply);
    this.later(this.prng.below(PAUSE_MS_MAX), () => this.ask());
  }

  private takePage(request: readonly string[], reply: RespReply): void {
    const [cursor, keys] = reply.kind === 'array' ? reply.items : [];
    if (cursor?.kind !== 'bulk' || keys?.kind !== 'array') return this.unexpected(request, reply);
    for (const key of keys.items) {
      const text = key.kind === 'bulk' ? key.text : null;
      // A key whose SET is under way may be there already, too.
      const isOurs = text !== null && /^k\d+$/.test(text) && Number(text.slice(1)) <= this.staying.length;
      if (text === null || !(isOurs || ALL_KEYS.includes(text))) return this.unexpected(request, key);
      this.owed.delete(text);
    }
    this.cursor = must(cursor.text, 'cursor');
    if (this.cursor === '0') this.endWalk();
  }

  private endWalk(): void {
    this.isWalking = false;
    this.walks++;
    if (this.world.checkers.elections > this.electionsBefore) this.walksAcrossElections++;
    if (this.owed.size === 0) return;
    const missing = [...this.owed].join(', ');
    throw new ScanViolation(`walk ${this.walks} did not return ${missing}, which were there all the time`);
  }

  private unexpected(request: readonly string[], reply: RespReply): never {
    throw new UnexpectedReply(`"${request.join(' ')}" was answered by ${JSON.stringify(reply)}`);
  }
}
