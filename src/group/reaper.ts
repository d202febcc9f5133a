/**
 * The leader's removal of expired items: a replicated command, one in flight, so that all replicas drop the same. It
 * begins with a tick, and goes on as soon as a command is applied that named many: one alone is bounded, and waiting for
 * the next tick each time would leave a large shard's dead items behind for many seconds.
 */
import { ByteReader, ByteWriter, type Counter, type WallMs } from '../base/index.js';
import { Tag } from '../kv/index.js';
import type { Replica } from './replica.js';
import type { CommandSink } from './sink.js';

/** Items named by one command: bounds the work of one entry. */
const REAP_COUNT_MAX = 256;
/** Fewer are not worth an entry before the next tick. */
const REAP_AGAIN_COUNT = 16;

export class Reaper implements CommandSink {
  private inFlight = false;
  /** Items that the command in flight names. */
  private named = 0;
  private readonly out = new ByteWriter(1024);
  private readonly result = new ByteReader(new Uint8Array(0));

  constructor(
    private readonly replica: Replica,
    private readonly dropped: Counter,
    /** The leader's log clock. */
    private readonly nowMs: () => WallMs,
  ) {}

  get isBusy(): boolean {
    return this.inFlight;
  }

  /** A new leadership: what an earlier one proposed is not waited for. */
  restart(): void {
    this.inFlight = false;
  }

  poll(): void {
    const { replica, out, nowMs } = this;
    if (this.inFlight || !replica.serves || replica.machine.nextDueMs() > nowMs()) return;
    out.reset();
    this.named = replica.machine.encodeReap(nowMs(), REAP_COUNT_MAX, out);
    if (this.named === 0) return;
    this.inFlight = true;
    replica.submitWrite(out.buffer, 0, out.length, false, this, 0, false, true);
  }

  /** The result is how many items were dropped; a failure is none. */
  onResult(_token: number, bytes: Uint8Array, start: number, end: number): void {
    this.inFlight = false;
    this.result.reset(bytes, start, end);
    if (this.result.u8() === Tag.int) this.dropped.inc(this.result.u64());
    if (this.named >= REAP_AGAIN_COUNT) this.poll();
  }

  onRefused(): void {
    this.inFlight = false;
  }
}
