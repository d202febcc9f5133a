/**
 * Full segments by their share of garbage: 128 doubly linked lists, so that one with nearly the most garbage is found,
 * and moved when an item of it dies, in constant time.
 */
import { assert } from '../base/index.js';
import type { Segment } from './segment.js';

const LIST_COUNT = 128;
const NONE = -1;

export class GarbageLists {
  /** First segment of each list. */
  private readonly first = new Int32Array(LIST_COUNT).fill(NONE);

  constructor(private readonly segments: readonly (Segment | null)[]) {}

  insert(segment: Segment): void {
    assert(segment.list === NONE, 'a segment is in two lists');
    const list = listOf(segment);
    const next = this.first[list] as number;
    segment.list = list;
    segment.previous = NONE;
    segment.next = next;
    if (next !== NONE) this.at(next).previous = segment.number;
    this.first[list] = segment.number;
  }

  remove(segment: Segment): void {
    const { list, previous, next } = segment;
    assert(list !== NONE, 'a segment is in no list');
    if (previous === NONE) this.first[list] = next;
    else this.at(previous).next = next;
    if (next !== NONE) this.at(next).previous = previous;
    segment.list = NONE;
  }

  /** After a death in a segment that stands in a list. */
  update(segment: Segment): void {
    if (listOf(segment) === segment.list) return;
    this.remove(segment);
    this.insert(segment);
  }

  /** A segment with about the most garbage; null when none has a 128th. */
  most(): Segment | null {
    for (let list = LIST_COUNT - 1; list > 0; list--) {
      const number = this.first[list] as number;
      if (number !== NONE) return this.at(number);
    }
    return null;
  }

  private at(number: number): Segment {
    return this.segments[number] as Segment;
  }
}

function listOf(segment: Segment): number {
  const list = ((segment.dead * LIST_COUNT) / segment.used) | 0;
  return list < LIST_COUNT ? list : LIST_COUNT - 1;
}
