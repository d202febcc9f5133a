/** Small numbers for the parts of gathered commands that are under way; given back when the part is answered. */
import { assert } from '../../base/index.js';
import type { Gather } from './gather.js';

export class PartTokens {
  /** Parts under way. */
  count = 0;
  private readonly gathers: (Gather | null)[] = [];
  private readonly parts: number[] = [];
  private readonly free: number[] = [];

  take(gather: Gather, part: number): number {
    const index = this.free.pop() ?? this.gathers.length;
    this.gathers[index] = gather;
    this.parts[index] = part;
    this.count++;
    return index;
  }

  gatherOf(index: number): Gather {
    const gather = this.gathers[index];
    assert(gather, `part ${index} is not under way`);
    return gather;
  }

  partOf(index: number): number {
    return this.parts[index] as number;
  }

  give(index: number): void {
    assert(this.gathers[index], `part ${index} was given back before`);
    this.gathers[index] = null;
    this.free.push(index);
    this.count--;
  }
}
