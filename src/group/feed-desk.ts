/**
 * The change feed of one replica, for readers in this process: what they may ask, and who is called when there is more.
 *
 * Invariants: a reader is called at most once for each answer that left it waiting, inside the host's turn but never
 * while an entry is applied; nothing is told of a state that a snapshot is about to replace.
 */
import type { ByteWriter, Counter, LogIndex, Term } from '../base/index.js';
import type { ChangeFeed, FeedAnswer, FeedPosition, Item } from '../kv/index.js';
import type { SnapshotSource } from '../ports/index.js';
import type { Machine } from './machine.js';

export type FeedReply =
  | FeedAnswer
  /** A snapshot is being installed, or the replica has ended: it may do better later, or elsewhere. */
  | { readonly kind: 'unavailable' };

/** A state, and where in the feed it stands. `state` is frozen; whoever took it must release it. */
export interface FeedState {
  readonly position: FeedPosition;
  readonly state: SnapshotSource;
}

export interface FeedReader {
  /**
   * Appends the events behind `from` to `out` (`FeedEvents` reads them): at least one, and no more than `bytesMax` as far
   * as that goes. After any answer but `changes`, `too_old` and `other_history` the reader waits: it is called once the
   * answer would be another.
   */
  read(from: FeedPosition, bytesMax: number, out: ByteWriter): FeedReply;
  /** The item that an event of the feed left, where nothing later took its place; a view for this moment. */
  itemOf(hash: number, version: number, into: Item): boolean;
  /** Where the feed stands: who wants only what is to come begins there. Null when it is not to be had. */
  readonly newest: FeedPosition | null;
  /** The state as it is now, for who has none, or one too old; null when it is not to be had. */
  takeState(): FeedState | null;
  close(): void;
}

/** What a desk sees of its replica. */
export interface FeedHolder {
  readonly machine: Machine;
  /** In order, with its own state, and not about to have another. */
  readonly servesAnyReads: boolean;
}

/** Of one shard on one node: whoever has many to serve reads once for all of them. */
const READERS_MAX = 64;

class Reader implements FeedReader {
  /** It is called when there is an event behind this one, and when this entry is applied; Infinity: not for that. */
  pastVersion = Infinity;
  fromIndex: LogIndex = Infinity;
  /** Its last answer was not one to go on with. */
  waits = false;

  constructor(
    private readonly desk: FeedDesk,
    readonly onMore: () => void,
  ) {}

  read(from: FeedPosition, bytesMax: number, out: ByteWriter): FeedReply {
    return this.desk.read(this, from, bytesMax, out);
  }

  itemOf(hash: number, version: number, into: Item): boolean {
    return this.desk.itemOf(hash, version, into);
  }

  get newest(): FeedPosition | null {
    return this.desk.newest;
  }

  takeState(): FeedState | null {
    return this.desk.takeState();
  }

  close(): void {
    this.desk.close(this);
  }
}

export class FeedDesk {
  private readonly readers = new Set<Reader>();
  /** The least that any reader waits for, so that slices without news for anybody cost nothing. */
  private leastVersion = Infinity;
  private leastIndex: LogIndex = Infinity;

  constructor(
    private readonly holder: FeedHolder,
    private readonly resyncs: (reason: 'too_old' | 'other_history') => Counter,
  ) {}

  /** Readers at work. */
  get readerCount(): number {
    return this.readers.size;
  }

  /** Null where there is no feed (group 0), and past `READERS_MAX`. `onMore` must be quick: a turn waits for it. */
  open(onMore: () => void): FeedReader | null {
    if (this.feed === undefined || this.readers.size >= READERS_MAX) return null;
    const reader = new Reader(this, onMore);
    this.readers.add(reader);
    return reader;
  }

  // ---- for the replica -----------------------------------------------------------------------------------------

  /** The state is that of this entry: as loaded, or by a snapshot. */
  place(index: LogIndex, term: Term): void {
    this.feed?.place(index, term);
  }

  /** An entry is applied that is not the state machine's. */
  pass(index: LogIndex, term: Term): void {
    this.feed?.advance(index, term);
  }

  /** After entries were applied. */
  afterSlice(): void {
    const { feed } = this;
    if (feed === undefined || (feed.version <= this.leastVersion && feed.index < this.leastIndex)) return;
    this.call((reader) => feed.version > reader.pastVersion || feed.index >= reader.fromIndex);
  }

  /** What was unavailable is not, or the other way round. */
  onAvailability(): void {
    this.call(() => true);
  }

  private call(isDue: (reader: Reader) => boolean): void {
    this.leastVersion = Infinity;
    this.leastIndex = Infinity;
    // A copy: who is called may open and close readers.
    for (const reader of [...this.readers]) {
      if (!reader.waits) continue;
      if (isDue(reader)) {
        reader.waits = false;
        reader.onMore();
      } else {
        this.keepWaiting(reader);
      }
    }
  }

  private keepWaiting(reader: Reader): void {
    this.leastVersion = Math.min(this.leastVersion, reader.pastVersion);
    this.leastIndex = Math.min(this.leastIndex, reader.fromIndex);
  }

  // ---- for readers ---------------------------------------------------------------------------------------------

  read(reader: Reader, from: FeedPosition, bytesMax: number, out: ByteWriter): FeedReply {
    const feed = this.readable;
    const isOpen = this.readers.has(reader);
    const answer: FeedReply =
      feed === null || !isOpen ? { kind: 'unavailable' } : feed.read(from, bytesMax, out);
    const { kind } = answer;
    if (kind === 'too_old' || kind === 'other_history') this.resyncs(kind).inc();
    reader.pastVersion = kind === 'end' ? from.version : Infinity;
    reader.fromIndex = kind === 'ahead' ? from.index : Infinity;
    reader.waits = isOpen && (kind === 'end' || kind === 'ahead' || kind === 'unavailable');
    if (reader.waits) this.keepWaiting(reader);
    return answer;
  }

  itemOf(hash: number, version: number, into: Item): boolean {
    return this.holder.machine.itemOf?.(hash, version, into) ?? false;
  }

  get newest(): FeedPosition | null {
    return this.readable?.newest ?? null;
  }

  takeState(): FeedState | null {
    const feed = this.readable;
    return feed === null ? null : { position: feed.newest, state: this.holder.machine.snapshot() };
  }

  close(reader: Reader): void {
    reader.waits = false;
    this.readers.delete(reader);
  }

  private get feed(): ChangeFeed | undefined {
    return this.holder.machine.feed;
  }

  private get readable(): ChangeFeed | null {
    return this.holder.servesAnyReads ? (this.feed ?? null) : null;
  }
}
