/**
 * Numbers that were given out in ascending order and are settled in any order: which is the lowest that is open? Room
 * for a limited span of them, from the lowest open one to the highest; the arrays grow with their use.
 */
const PLACES_MIN = 16;

export class SequenceWindow {
  private sequences = new Float64Array(PLACES_MIN);
  private settled = new Uint8Array(PLACES_MIN);
  private head = 0;
  /** From the lowest open one to the last, those settled in between among them. */
  private count = 0;

  /** `limit` is a power of two, at least 16. */
  constructor(private readonly limit: number) {}

  get isFull(): boolean {
    return this.count >= this.limit;
  }

  /** The lowest that is open; `next`, which is to be added, when none is. */
  lowest(next: number): number {
    return this.count === 0 ? next : (this.sequences[this.head] as number);
  }

  /** Adds a number above all before. Not when it is full. */
  add(sequence: number): void {
    if (this.count === this.sequences.length) this.grow();
    const at = (this.head + this.count++) & (this.sequences.length - 1);
    this.sequences[at] = sequence;
    this.settled[at] = 0;
  }

  /** One that is not here is settled already. */
  settle(sequence: number): void {
    const mask = this.sequences.length - 1;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.sequences[(this.head + middle) & mask] as number) < sequence) low = middle + 1;
      else high = middle;
    }
    const at = (this.head + low) & mask;
    if (low === this.count || this.sequences[at] !== sequence) return;
    this.settled[at] = 1;
    while (this.count > 0 && this.settled[this.head] === 1) {
      this.head = (this.head + 1) & mask;
      this.count--;
    }
  }

  private grow(): void {
    const { sequences, settled, head, count } = this;
    const places = sequences.length * 2;
    this.sequences = new Float64Array(places);
    this.settled = new Uint8Array(places);
    for (let i = 0; i < count; i++) {
      const from = (head + i) & (sequences.length - 1);
      this.sequences[i] = sequences[from] as number;
      this.settled[i] = settled[from] as number;
    }
    this.head = 0;
  }
}
