/** The leader's removal of expired items: a replicated command, one in flight, so that all replicas drop the same. */
import { ByteWriter, type WallMs } from '../base/index.js';
import type { Replica } from './replica.js';
import type { CommandSink } from './sink.js';

/** Items named by one command: bounds the work of one entry. */
const REAP_COUNT_MAX = 256;

export class Reaper implements CommandSink {
  private inFlight = false;
  private readonly out = new ByteWriter(1024);

  constructor(private readonly replica: Replica) {}

  /** A new leadership: what an earlier one proposed is not waited for. */
  restart(): void {
    this.inFlight = false;
  }

  poll(nowMs: () => WallMs): void {
    const { replica, out } = this;
    if (this.inFlight || !replica.serves || replica.machine.nextDueMs() > nowMs()) return;
    out.reset();
    if (replica.machine.encodeReap(nowMs(), REAP_COUNT_MAX, out) === 0) return;
    this.inFlight = true;
    replica.submitWrite(out.buffer, 0, out.length, false, this, 0);
  }

  onResult(): void {
    this.inFlight = false;
  }

  onRefused(): void {
    this.inFlight = false;
  }
}
