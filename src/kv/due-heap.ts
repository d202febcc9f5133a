/**
 * A binary min-heap of pages by `dueMs`, each knowing its place, so that a changed page moves in logarithmic time.
 * Its size is bounded by the number of pages with expiring items: an item that is overwritten leaves nothing behind.
 */
import { must } from '../base/index.js';
import type { Page } from './page.js';

export class DueHeap {
  private readonly pages: Page[] = [];

  get length(): number {
    return this.pages.length;
  }

  peek(): Page | null {
    return this.pages[0] ?? null;
  }

  /** Brings the page to where its `dueMs` belongs: in, up, down or out. */
  update(page: Page): void {
    if (page.heapIndex < 0) {
      if (page.dueMs === Infinity) return;
      page.heapIndex = this.pages.length;
      this.pages.push(page);
    } else if (page.dueMs === Infinity) {
      this.remove(page);
      return;
    }
    this.siftDown(this.siftUp(page.heapIndex));
  }

  remove(page: Page): void {
    const index = page.heapIndex;
    if (index < 0) return;
    page.heapIndex = -1;
    const last = must(this.pages.pop(), 'last page of the heap');
    if (last === page) return;
    this.place(last, index);
    this.siftDown(this.siftUp(index));
  }

  clear(): void {
    for (const page of this.pages) page.heapIndex = -1;
    this.pages.length = 0;
  }

  private siftUp(from: number): number {
    const page = this.at(from);
    let index = from;
    while (index > 0) {
      const parent = this.at((index - 1) >> 1);
      if (parent.dueMs <= page.dueMs) break;
      const freed = parent.heapIndex;
      this.place(parent, index);
      index = freed;
    }
    this.place(page, index);
    return index;
  }

  private siftDown(from: number): void {
    const page = this.at(from);
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= this.pages.length) break;
      const right = left + 1;
      const child =
        right < this.pages.length && this.at(right).dueMs < this.at(left).dueMs
          ? this.at(right)
          : this.at(left);
      if (page.dueMs <= child.dueMs) break;
      const freed = child.heapIndex;
      this.place(child, index);
      index = freed;
    }
    this.place(page, index);
  }

  private at(index: number): Page {
    return this.pages[index] as Page;
  }

  private place(page: Page, index: number): void {
    this.pages[index] = page;
    page.heapIndex = index;
  }
}
