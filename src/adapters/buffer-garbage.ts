/**
 * Keeps dead buffers from piling up. V8 looks for those that grew old only once buffers have grown by 64 MiB since it
 * last did: on a node with little memory that is a fifth of all it may take, and what was freed late leaves holes in the C
 * library's heap as large. V8 has no setting for it, but counts buffers when they are made: so one of 64 MiB is made and
 * dropped when growth has reached a bound of ours. It is never touched, so takes no memory, and the marking that it sets
 * off runs in small steps beside the program, unlike a collection that is asked for.
 */
import v8 from 'node:v8';

const LOOK_MS = 50;
/** Buffers of this size are what V8 starts to mark for, whatever else there is. */
const PRESSURE_BYTES = 64 * 1024 * 1024;
/** A marking costs some milliseconds: under the worst of loads not more often. */
const PAUSE_MS = 500;

/** Says when to press: growth of buffers since the least since the last time. */
export class BufferGrowth {
  private leastBytes = Infinity;
  private pressedBytes = 0;
  private pressedAtMs = -PAUSE_MS;

  constructor(private readonly growthBytesMax: number) {}

  /** `bytes`: of all buffers now. */
  isTooMuch(bytes: number, nowMs: number): boolean {
    // What was made to press counts until the collector has been there.
    const isCollected = this.pressedBytes === 0 || bytes < this.pressedBytes + PRESSURE_BYTES / 2;
    if (!isCollected) return false;
    if (this.pressedBytes !== 0) {
      this.pressedBytes = 0;
      this.leastBytes = bytes;
    }
    this.leastBytes = Math.min(this.leastBytes, bytes);
    if (bytes - this.leastBytes <= this.growthBytesMax || nowMs - this.pressedAtMs < PAUSE_MS) return false;
    this.pressedBytes = bytes;
    this.pressedAtMs = nowMs;
    return true;
  }
}

/** From now on, for the life of the process. */
export function boundBufferGarbage(growthBytesMax: number): void {
  const growth = new BufferGrowth(growthBytesMax);
  setInterval(() => {
    const { external_memory: bytes } = v8.getHeapStatistics();
    if (growth.isTooMuch(bytes, performance.now())) press();
  }, LOOK_MS).unref();
}

function press(): ArrayBuffer {
  return new ArrayBuffer(PRESSURE_BYTES);
}
