/**
 * One connection of the memory storm: SETs of ever new keys, or GETs of keys written lately, pipelined in batches. Keys
 * come from one counter, so that no two writers write the same one.
 */
import net from 'node:net';

/** Readers ask for keys so many writes back at most. */
const RECENT_MAX = 100_000;
const AGAIN_MS = 200;

export class StormClient {
  acknowledged = 0;
  misses = 0;
  outOfMemory = 0;
  otherErrors = 0;
  /** What the last of them said. */
  lastError = '';
  private socket: net.Socket | null = null;
  private owed = 0;
  private rest = '';
  private stopped = false;

  constructor(
    private readonly port: number,
    private readonly isWriter: boolean,
    private readonly valueBytes: number,
    private readonly counter: { next: number },
    private readonly batch: number,
  ) {}

  start(): void {
    if (this.stopped) return;
    const socket = net.connect(this.port, '127.0.0.1');
    this.socket = socket;
    this.owed = 0;
    this.rest = '';
    socket.setEncoding('latin1');
    socket.once('connect', () => this.send());
    socket.on('data', (text: string) => this.take(text));
    socket.on('error', () => undefined);
    socket.once('close', () => setTimeout(() => this.start(), AGAIN_MS).unref());
  }

  stop(): void {
    this.stopped = true;
    this.socket?.destroy();
  }

  private send(): void {
    if (this.stopped || this.socket === null) return;
    let text = '';
    for (let i = 0; i < this.batch; i++) text += this.isWriter ? this.set() : this.get();
    this.owed = this.batch;
    this.socket.write(text);
  }

  private set(): string {
    const key = `storm:${this.counter.next++}`;
    return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${this.valueBytes}\r\n${'v'.repeat(this.valueBytes)}\r\n`;
  }

  private get(): string {
    const back = Math.floor(Math.random() ** 2 * Math.min(this.counter.next, RECENT_MAX));
    const key = `storm:${Math.max(0, this.counter.next - 1 - back)}`;
    return `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`;
  }

  /** Values hold no line ends: every line but a value's is a reply of its own. */
  private take(text: string): void {
    const lines = (this.rest + text).split('\r\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.takeLine(line);
    if (this.owed === 0) this.send();
  }

  private takeLine(line: string): void {
    if (line.startsWith('v')) return;
    this.owed--;
    if (line.startsWith('-')) {
      if (line.startsWith('-OOM')) this.outOfMemory++;
      else {
        this.otherErrors++;
        this.lastError = line;
      }
      return;
    }
    this.acknowledged++;
    if (line === '$-1') this.misses++;
  }
}
