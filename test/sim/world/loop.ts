/**
 * The simulator's only source of order: virtual time and a heap of events ordered by (time, sequence). Every
 * callback of a simulated clock, network, disk or client is an event here, so that a run is a function of its seed.
 *
 * An event belongs to an owner (a node's life, the network, a client). `kill(owner)` drops all its events: that is
 * what a crash of a process does to its timers and completions. `pause(owner)` holds them back, in order, until
 * `resume`: a process that was stopped and goes on. `note` mixes a fact into the trace hash.
 */
export type Owner = number;
export const WORLD: Owner = 0;

interface Event {
  atMs: number;
  sequence: number;
  readonly owner: Owner;
  run: (() => void) | null;
}

export class SimLoop {
  private heap: Event[] = [];
  private sequence = 0;
  private timeMs = 0;
  private nextOwner = 1;
  private readonly dead = new Set<Owner>();
  /** Processes that stand still, with what waits for them. */
  private readonly paused = new Map<Owner, Event[]>();
  private hashA = 0x811c9dc5;
  private hashB = 0x1b873593;
  /** Called after every event: the checkers. */
  afterEvent: (() => void) | null = null;
  eventsRun = 0;

  /** Virtual milliseconds since the start of the run; fractions are possible. */
  now(): number {
    return this.timeMs;
  }

  /** A fresh owner for one life of a process. */
  owner(): Owner {
    return this.nextOwner++;
  }

  kill(owner: Owner): void {
    this.dead.add(owner);
    this.paused.delete(owner);
  }

  pause(owner: Owner): void {
    if (!this.dead.has(owner) && !this.paused.has(owner)) this.paused.set(owner, []);
  }

  /** What came due meanwhile runs now, in the order in which it did. */
  resume(owner: Owner): void {
    const held = this.paused.get(owner);
    if (held === undefined) return;
    this.paused.delete(owner);
    for (const event of held) {
      event.atMs = this.timeMs;
      event.sequence = this.sequence++;
      this.push(event);
    }
  }

  isPaused(owner: Owner): boolean {
    return this.paused.size > 0 && this.paused.has(owner);
  }

  /** For what somebody else's event does to a process that stands still: it happens once that one goes on. */
  hold(owner: Owner, run: () => void): void {
    this.paused.get(owner)?.push({ atMs: this.timeMs, sequence: 0, owner, run });
  }

  isDead(owner: Owner): boolean {
    return this.dead.has(owner);
  }

  /** Runs `run` at now + delayMs; returns its cancellation. */
  schedule(owner: Owner, delayMs: number, run: () => void): () => void {
    const event: Event = { atMs: this.timeMs + Math.max(0, delayMs), sequence: this.sequence++, owner, run };
    this.push(event);
    return () => {
      event.run = null;
    };
  }

  /** Runs the next event; false when there is none before `untilMs`. */
  step(untilMs = Infinity): boolean {
    for (;;) {
      const top = this.heap[0];
      if (!top || top.atMs > untilMs) {
        if (untilMs !== Infinity) this.timeMs = Math.max(this.timeMs, untilMs);
        return false;
      }
      this.pop();
      const run = top.run;
      if (!run || this.dead.has(top.owner)) continue;
      if (this.isPaused(top.owner)) {
        this.paused.get(top.owner)?.push(top);
        continue;
      }
      this.timeMs = top.atMs;
      this.eventsRun++;
      run();
      this.afterEvent?.();
      return true;
    }
  }

  runUntil(untilMs: number): void {
    while (this.step(untilMs)) {
      /* each step checks itself */
    }
  }

  /** Mixes a fact (a message, a timer, a disk completion, an applied entry, a client's result) into the trace. */
  note(fact: string): void {
    let a = this.hashA;
    let b = this.hashB;
    for (let i = 0; i < fact.length; i++) {
      const c = fact.charCodeAt(i);
      a = Math.imul(a ^ c, 0x01000193);
      b = Math.imul(b ^ c, 0x85ebca6b) ^ (b >>> 13);
    }
    this.hashA = Math.imul(a ^ 0xff, 0x01000193);
    this.hashB = Math.imul(b ^ (this.timeMs * 1000), 0xc2b2ae35) ^ (b >>> 16);
  }

  traceHash(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
    return hex(this.hashA) + hex(this.hashB);
  }

  private push(event: Event): void {
    const heap = this.heap;
    heap.push(event);
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent] as Event, event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  private pop(): void {
    const heap = this.heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (before(last, heap[child] as Event)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
