/**
 * Keeps one stream of the shard map open, to whichever node answers: every map it brings is handed on. When the stream
 * ends, or says nothing within the first seconds, the next address is tried: at once for the first round, then after a
 * wait that grows.
 */
import { MalformedMessage, decodeMapMessage } from '../codec/cache/index.js';
import type { MapMessage } from '../codec/cache/index.js';
import type { CancelTimer, ClientTransport, Entropy, Timers } from '../ports/index.js';
import { backoffMs } from './backoff.js';

const FIRST_MAP_MS_MAX = 2000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;

export interface MapWatchPorts {
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly transport: ClientTransport;
}

export interface MapWatchOwner {
  /** Addresses worth asking, never none. */
  addresses(): readonly string[];
  /** A map came. Empty: take the next; else why this node is not to be asked further. */
  onMap(map: MapMessage): string;
}

export class MapWatch {
  private attempt = 0;
  private turn: number;
  private failures = 0;
  private stream: { close(): void } | null = null;
  private cancelTimer: CancelTimer | null = null;
  private isClosed = false;
  private preferred = '';
  /** Whom the stream goes to, and what went wrong last; for messages. */
  address = '';
  lastFailure = 'nobody was asked yet';

  constructor(
    private readonly ports: MapWatchPorts,
    private readonly owner: MapWatchOwner,
  ) {
    this.turn = ports.entropy.u32();
  }

  start(): void {
    this.open();
  }

  /** Goes to this address now: it has a newer map than the one that is asked. */
  moveTo(address: string): void {
    if (this.isClosed || address === this.address) return;
    this.preferred = address;
    this.drop();
    this.open();
  }

  close(): void {
    this.isClosed = true;
    this.drop();
  }

  private open(): void {
    const attempt = ++this.attempt;
    const addresses = this.owner.addresses();
    this.address = this.preferred || (addresses[this.turn % addresses.length] as string);
    this.preferred = '';
    // A stream may speak once more after it was dropped: its attempt is over then.
    const isCurrent = (): boolean => attempt === this.attempt && !this.isClosed;
    this.cancelTimer = this.ports.timers.after(FIRST_MAP_MS_MAX, () => {
      if (isCurrent()) this.fail(`${this.address} sent no shard map within ${FIRST_MAP_MS_MAX} ms`);
    });
    this.stream = this.ports.transport.watchShardMap(this.address, {
      onOpen: () => undefined,
      onMessage: (bytes) => {
        if (isCurrent()) this.take(bytes);
      },
      onDrain: () => undefined,
      onEnd: (failure) => {
        if (isCurrent()) this.fail(`${this.address}: ${failure.message}`);
      },
    });
  }

  private take(bytes: Uint8Array): void {
    let map: MapMessage;
    try {
      map = decodeMapMessage(bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.fail(`${this.address} sent no shard map: ${error.message}`);
      return;
    }
    const objection = this.owner.onMap(map);
    if (objection !== '') {
      this.fail(`${this.address}: ${objection}`);
      return;
    }
    this.failures = 0;
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  private fail(why: string): void {
    this.lastFailure = why;
    this.failures++;
    this.turn++;
    this.drop();
    const rounds = Math.floor(this.failures / this.owner.addresses().length);
    const again = (): void => {
      if (!this.isClosed) this.open();
    };
    if (rounds === 0) this.cancelTimer = this.ports.timers.after(0, again);
    else {
      const waitMs = backoffMs(this.ports.entropy, rounds, RETRY_MS_MIN, RETRY_MS_MAX);
      this.cancelTimer = this.ports.timers.after(waitMs, again);
    }
  }

  private drop(): void {
    this.attempt++;
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.stream?.close();
    this.stream = null;
  }
}
