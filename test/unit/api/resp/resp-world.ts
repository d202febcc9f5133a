/** A RESP server in a world of the test's making: streams that remember, a clock by hand, turns by hand. */
import { MetricsRegistry, Prng, type Counter } from '../../../../src/base/index.js';
import type {
  ByteStream,
  Clock,
  Entropy,
  Logger,
  StreamHandler,
  Timers,
} from '../../../../src/ports/index.js';
import { createRespServer, type RespLimits, type RespServer } from '../../../../src/api/resp/index.js';
import type { RespRouting } from '../../../../src/settings/index.js';
import { FakeDirectory } from './fake-directory.js';
import { KvGateway } from './kv-gateway.js';

export class ManualTime implements Clock, Timers {
  mono = 5_000;
  private turn: (() => void)[] = [];
  private timers: { at: number; run: (() => void) | null }[] = [];

  wallMs(): number {
    return 1_700_000_000_000 + this.mono;
  }

  monoMs(): number {
    return this.mono;
  }

  soon(run: () => void): void {
    this.turn.push(run);
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: { at: number; run: (() => void) | null } = { at: this.mono + delayMs, run };
    this.timers.push(timer);
    return () => {
      timer.run = null;
    };
  }

  /** One turn of the event loop; false when there was nothing to do. */
  runTurn(): boolean {
    const turn = this.turn;
    this.turn = [];
    for (const run of turn) run();
    return turn.length > 0;
  }

  advance(ms: number): void {
    this.mono += ms;
    const due = this.timers.filter((timer) => timer.at <= this.mono);
    this.timers = this.timers.filter((timer) => timer.at > this.mono);
    for (const timer of due) timer.run?.();
  }
}

/** Random numbers that are the same in each run. */
export class PrngEntropy implements Entropy {
  private readonly prng = new Prng(1);

  u32(): number {
    return this.prng.u32();
  }

  below(limit: number): number {
    return this.prng.below(limit);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.prng.below(256));
  }
}

/** As Node's streams have it. */
const MARK_BYTES = 16 * 1024;

/** A client's side of a stream. It takes what is written at once, unless `takes` is false. */
export class FakeStream implements ByteStream {
  remoteAddress = '127.0.0.1:50000';
  /** Chunks as written, one per write. */
  writes: Buffer[] = [];
  takes = true;
  paused = false;
  ended = false;
  destroyed = false;
  handler: StreamHandler | null = null;
  private waiting = 0;

  constructor(readonly id: number) {}

  write(bytes: Uint8Array): boolean {
    if (this.ended || this.destroyed) throw new Error('write after the end');
    this.writes.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (this.takes) return true;
    this.waiting += bytes.length;
    return this.waiting <= MARK_BYTES;
  }

  bufferedBytes(): number {
    return this.waiting;
  }

  /** The client reads everything. */
  drain(): void {
    this.waiting = 0;
    this.handler?.onDrain();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
    if (this.takes) this.closed();
  }

  destroy(): void {
    this.destroyed = true;
    this.closed();
  }

  closed(): void {
    const handler = this.handler;
    this.handler = null;
    handler?.onClose();
  }

  /** Everything written so far, a character for each byte. */
  get text(): string {
    return Buffer.concat(this.writes).toString('latin1');
  }
}

export const LIMITS: RespLimits = {
  valueBytesMax: 8 * 1024 * 1024,
  commandBytesMax: 64 * 1024 * 1024,
  connectionsMax: 100,
  outputBytesMax: 32 * 1024 * 1024,
  outputSoftBytesMax: 8 * 1024 * 1024,
  requestTimeoutMs: 5_000,
};

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};

export class RespWorld {
  readonly time = new ManualTime();
  readonly metrics = new MetricsRegistry();
  readonly entropy = new PrngEntropy();
  readonly server: RespServer;
  /** This node is node 3. */
  readonly directory: FakeDirectory;
  private nextId = 1;

  constructor(
    limits: Partial<RespLimits> = {},
    readonly gateway = new KvGateway(),
  ) {
    this.directory = new FakeDirectory(gateway.shardCount);
    this.server = createRespServer({
      gateway,
      directory: this.directory,
      clock: this.time,
      timers: this.time,
      entropy: this.entropy,
      logger: SILENT,
      metrics: this.metrics,
      limits: { ...LIMITS, ...limits },
      info: () => ({
        version: '0.1.0',
        nodeId: 3,
        clusterId: 'c1',
        uptimeSeconds: 90_000.5,
        sections: [
          { name: 'Clients', rows: [['maxclients', 100]] },
          { name: 'Raft', rows: [['shards_led', 2]] },
        ],
      }),
      config: () => [
        ['maxmemory', '0'],
        ['limits.value-bytes-max', '8388608'],
      ],
    });
  }

  connect(takes = true, routing: RespRouting = 'forward'): FakeStream {
    const stream = new FakeStream(this.nextId++);
    stream.takes = takes;
    const handler = this.server.accept(stream, routing);
    if (stream.ended && takes) handler.onClose();
    else stream.handler = handler;
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

  send(stream: FakeStream, bytes: string): void {
    stream.handler?.onData(new Uint8Array(Buffer.from(bytes, 'latin1')));
  }

  /** Sends, settles, and returns what came back since. */
  ask(stream: FakeStream, bytes: string, pick?: (count: number) => number): string {
    const before = stream.text.length;
    this.send(stream, bytes);
    this.settle(pick);
    return stream.text.slice(before);
  }

  /** A counter's value; 0 when it was never bumped. */
  counter(name: string, labels: Record<string, string> = {}): number {
    const family = this.metrics.list().find((f) => f.name === name);
    const cell = family?.cells.find((c) => JSON.stringify(c.labels) === JSON.stringify(labels))?.cell;
    return cell ? (cell as Counter).value : 0;
  }
}

/** A request as clients send it. */
export function multibulk(...words: (string | Uint8Array)[]): string {
  const texts = words.map((word) => (typeof word === 'string' ? word : Buffer.from(word).toString('latin1')));
  return `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`;
}
