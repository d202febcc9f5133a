/** One checkpoint at a time on a node: they cost disk and processor that clients want too. */
import type { Replica } from '../group/index.js';

export class CheckpointQueue {
  private running = false;
  private readonly waiting: { replica: Replica; start: (done: () => void) => void }[] = [];

  add(replica: Replica, start: (done: () => void) => void): void {
    this.waiting.push({ replica, start });
    this.next();
  }

  private next(): void {
    if (this.running) return;
    const job = this.waiting.shift();
    if (job === undefined) return;
    this.running = true;
    job.start(() => {
      this.running = false;
      this.next();
    });
  }
}
