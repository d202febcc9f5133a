/** Cheap repeatable numbers for load generators: xorshift, one stream per seed. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** From 0 to `count` - 1. */
  below(count: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % count;
  }
}

/** `key:` and 12 digits, as redis-benchmark and the etcd generator name theirs. */
export function keyName(number: number): string {
  return `key:${String(number).padStart(12, '0')}`;
}
