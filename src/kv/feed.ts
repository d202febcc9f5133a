/**
 * The change feed of a shard: what was changed, numbered, and how a reader goes on from where it was. No part of the
 * state, but the same on every replica as far back as each goes. docs/decisions/0014-change-feed.md tells the choices.
 *
 * Invariants: events are numbered without a gap up to `version`; a reader gets all events behind its position in order,
 * or is told that it can't; the terms of all indexes from the base of the window to `index` are known.
 */
import { assert, type ByteWriter, type LogIndex, type Term } from '../base/index.js';
import { FeedWindow, type FeedLimits } from './feed-window.js';
import type { EventKind } from './feed-events.js';
import type { Item } from './item.js';

/**
 * A place in the feed: all events up to `version` were seen, and all entries before `index`. The term is that of the
 * entry, and tells positions of a history that was lost from those of this one.
 */
export interface FeedPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly version: number;
}

/** Before everything that a shard ever did. */
export const FEED_START: FeedPosition = { index: 0, term: 0, version: 0 };

export type FeedAnswer =
  /**
   * At least one event was written. `isWhole`: with `next` all of its entry was told. Of values that are taken along some
   * may be of later events, up to `newest`: a copy is a state again once it is there.
   */
  | {
      readonly kind: 'changes';
      readonly next: FeedPosition;
      readonly isWhole: boolean;
      readonly newest: FeedPosition;
    }
  /** There are no more for now. */
  | { readonly kind: 'end'; readonly next: FeedPosition }
  /** What comes next is not kept any more: take a state, and go on at its position. */
  | { readonly kind: 'too_old'; readonly oldest: FeedPosition; readonly newest: FeedPosition }
  /** This replica has not applied that far: ask again, or another one. */
  | { readonly kind: 'ahead'; readonly newest: FeedPosition }
  /** No position of this shard, or one of entries that were lost for good: take a state. */
  | { readonly kind: 'other_history'; readonly newest: FeedPosition };

export const NO_FEED: FeedLimits = { bytesMax: 0, eventsMax: 0 };

/** Changes of term that are remembered. With more of them in one window it gets shorter. */
const TERMS_MAX = 64;
const INDEX_SPAN_MAX = 2 ** 32 - 1;

export class ChangeFeed {
  /** Of the last applied entry. */
  index: LogIndex = 0;
  term: Term = 0;
  /** Number of the newest event. */
  version = 0;

  private readonly window: FeedWindow;
  /** From which index on which term; the first at the base of the window, or before. */
  private readonly termFrom: LogIndex[] = [0];
  private readonly terms: Term[] = [0];

  constructor(limits: FeedLimits) {
    this.window = new FeedWindow(limits);
  }

  /** The state is now that of this entry, come otherwise than by applying: the window begins here. */
  place(index: LogIndex, term: Term, version = this.version): void {
    this.index = index;
    this.term = term;
    this.version = version;
    this.window.clear(index);
    this.termFrom.length = this.terms.length = 0;
    this.termFrom.push(index);
    this.terms.push(term);
  }

  /** The entry is about to be applied, or has nothing to do with items. */
  advance(index: LogIndex, term: Term): void {
    assert(index > this.index, `the feed is at entry ${this.index}, and gets entry ${index}`);
    if (term !== this.term) this.beginTerm(index, term);
    this.index = index;
    if (index - this.window.baseIndex > INDEX_SPAN_MAX) this.window.clear(index - 1);
  }

  /** The entry being applied has made this change of the item; `version` is the state's by it. */
  note(kind: EventKind, version: number, item: Item): void {
    assert(version === this.version + 1, `event ${version} after ${this.version}`);
    this.version = version;
    this.window.push(kind, this.index, item);
  }

  /** From here on events are kept. */
  get oldest(): FeedPosition {
    const { baseIndex } = this.window;
    return { index: baseIndex, term: this.termAt(baseIndex), version: this.baseVersion };
  }

  get newest(): FeedPosition {
    const { index, term, version } = this;
    return { index, term, version };
  }

  /**
   * Appends the events behind `from` to `out`, in the form of feed-events.ts: no more than `bytesMax`, but one at least.
   * Not while an entry is being applied.
   */
  read(from: FeedPosition, bytesMax: number, out: ByteWriter): FeedAnswer {
    const { window, newest } = this;
    if (from.index > this.index) {
      const isPossible = from.term >= this.term && from.version >= this.version;
      return { kind: isPossible ? 'ahead' : 'other_history', newest };
    }
    if (from.index < window.baseIndex || from.version < this.baseVersion)
      return { kind: 'too_old', oldest: this.oldest, newest };
    if (!this.isOurs(from)) return { kind: 'other_history', newest };
    if (from.version === this.version) return { kind: 'end', next: newest };

    const endOfOut = out.length + bytesMax;
    let n = from.version - this.baseVersion;
    do {
      window.write(n, this.baseVersion + n + 1, out);
      n++;
    } while (n < window.count && out.length + window.sizeAt(n) <= endOfOut);
    if (n === window.count) return { kind: 'changes', next: newest, isWhole: true, newest };
    const index = window.indexAt(n - 1);
    const next = { index, term: this.termAt(index), version: this.baseVersion + n };
    return { kind: 'changes', next, isWhole: window.indexAt(n) > index, newest };
  }

  get eventCount(): number {
    return this.window.count;
  }

  get memoryBytes(): number {
    return this.window.memoryBytes;
  }

  /** The replica is gone. */
  close(): void {
    this.window.release();
  }

  /** Of the last event before the window. */
  private get baseVersion(): number {
    return this.version - this.window.count;
  }

  /** Whether a position between the base of the window and the end can have been told by this shard. */
  private isOurs({ index, term, version }: FeedPosition): boolean {
    if (this.termAt(index) !== term || version > this.version) return false;
    const { window } = this;
    const n = version - this.baseVersion;
    const indexOfLast = n === 0 ? window.baseIndex : window.indexAt(n - 1);
    if (indexOfLast > index) return false;
    if (n === window.count) return true;
    const indexOfNext = window.indexAt(n);
    // Inside an entry only behind an event of that entry.
    return indexOfNext > index || (indexOfNext === index && indexOfLast === index);
  }

  /** Of an entry from the base of the window on. */
  private termAt(index: LogIndex): Term {
    const { termFrom, terms } = this;
    let i = termFrom.length - 1;
    while (i > 0 && (termFrom[i] as LogIndex) > index) i--;
    return terms[i] as Term;
  }

  private beginTerm(index: LogIndex, term: Term): void {
    const { termFrom, terms, window } = this;
    termFrom.push(index);
    terms.push(term);
    this.term = term;
    // Idle shards change leaders, too: what no event pushes out must not pile up.
    if (termFrom.length > TERMS_MAX) window.dropUpTo(Math.max(window.baseIndex, termFrom[1] as LogIndex));
    while (termFrom.length > 1 && (termFrom[1] as LogIndex) <= window.baseIndex) {
      termFrom.shift();
      terms.shift();
    }
  }
}
