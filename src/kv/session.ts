/**
 * What a shard keeps of one session: replies of its writes, in ascending order of their sequences, from the lowest that
 * the client still waits for. Arrays in parallel and replies in places of one size, so that keeping one allocates
 * nothing. The order is that of the sequences, and nearly always that in which they come.
 *
 * Invariants: at most `SESSION_WINDOW` replies; none below `lowest`; `lowest` never goes back.
 */
import type { Digest } from './digest.js';
import { KvError, Tag } from './result.js';
import type { SessionGrant } from './session-fields.js';

/** W: the most replies kept for one session in one shard. */
export const SESSION_WINDOW = 1024;
/** A longer reply is not kept, only that there was one. */
export const KEPT_REPLY_BYTES_MAX = 31;

/** A place: u8 length | reply. */
const PLACE_BYTES = 1 + KEPT_REPLY_BYTES_MAX;
const PLACES_MIN = 4;
/** Stands in for a reply that is too long to keep. */
const NOT_KEPT = Uint8Array.of(Tag.error, KvError.replyNotKept);

export class Session implements SessionGrant {
  /** Sequences below it are answered: they are applied no more. */
  lowest = 0;
  /** Digest of everything but the replies, and the sum of those of the replies: two lanes each. */
  sumA = 0;
  sumB = 0;
  /** Replies kept: `sequences[first, first + count)`. */
  count = 0;
  private first = 0;
  private sequences = new Float64Array(PLACES_MIN);
  private sums = new Int32Array(2 * PLACES_MIN);
  private places = new Uint8Array(PLACE_BYTES * PLACES_MIN);

  constructor(
    readonly session: number,
    readonly grantedMs: number,
    readonly lifetimeMs: number,
  ) {}

  get endMs(): number {
    return this.grantedMs + this.lifetimeMs;
  }

  /** Opens the sum; before anything else. */
  begin(digest: Digest): void {
    this.addHead(digest, 1);
  }

  /** Everything below is answered: their replies are dropped. Returns how many. */
  raiseLowest(lowest: number, digest: Digest): number {
    if (lowest <= this.lowest) return 0;
    this.addHead(digest, -1);
    this.lowest = lowest;
    this.addHead(digest, 1);
    let dropped = 0;
    while (dropped < this.count && (this.sequences[this.first + dropped] as number) < lowest) {
      const at = 2 * (this.first + dropped++);
      this.sumA = (this.sumA - (this.sums[at] as number)) | 0;
      this.sumB = (this.sumB - (this.sums[at + 1] as number)) | 0;
    }
    this.first += dropped;
    this.count -= dropped;
    if (this.count === 0) this.first = 0;
    if (this.sequences.length > 4 * PLACES_MIN && this.count * 8 <= this.sequences.length) {
      this.move(this.sequences.length / 4);
    }
    return dropped;
  }

  /** Place of the reply to this sequence, for `replyStart`; -1: there is none. */
  find(sequence: number): number {
    const at = this.firstFrom(sequence);
    return at < this.first + this.count && this.sequences[at] === sequence ? at : -1;
  }

  /** The reply in a place is `bytes[start, end)` of these. */
  get bytes(): Uint8Array {
    return this.places;
  }
  replyStart(place: number): number {
    return place * PLACE_BYTES + 1;
  }
  replyEnd(place: number): number {
    return place * PLACE_BYTES + 1 + (this.places[place * PLACE_BYTES] as number);
  }
  sequenceAt(place: number): number {
    return this.sequences[place] as number;
  }
  get firstPlace(): number {
    return this.first;
  }

  /** Keeps the reply `bytes[start, end)`. There is none to this sequence, and room for one more. */
  keep(sequence: number, bytes: Uint8Array, start: number, end: number, digest: Digest): void {
    if (end - start > KEPT_REPLY_BYTES_MAX) {
      this.keep(sequence, NOT_KEPT, 0, NOT_KEPT.length, digest);
      return;
    }
    if (this.first + this.count === this.sequences.length) this.makeRoom();
    const place = this.firstFrom(sequence);
    const behind = this.first + this.count;
    if (place < behind) {
      this.sequences.copyWithin(place + 1, place, behind);
      this.sums.copyWithin(2 * place + 2, 2 * place, 2 * behind);
      this.places.copyWithin((place + 1) * PLACE_BYTES, place * PLACE_BYTES, behind * PLACE_BYTES);
    }
    this.count++;
    this.sequences[place] = sequence;
    let at = place * PLACE_BYTES;
    this.places[at++] = end - start;
    for (let i = start; i < end; i++) this.places[at++] = bytes[i] as number;
    digest.begin();
    digest.integer(this.session);
    digest.integer(this.grantedMs);
    digest.integer(sequence);
    digest.bytes(bytes, start, end);
    digest.end();
    this.sums[2 * place] = digest.a;
    this.sums[2 * place + 1] = digest.b;
    this.sumA = (this.sumA + digest.a) | 0;
    this.sumB = (this.sumB + digest.b) | 0;
  }

  /** Bytes that the arrays hold. */
  get heldBytes(): number {
    return this.sequences.length * (8 + 8 + PLACE_BYTES);
  }

  private addHead(digest: Digest, sign: 1 | -1): void {
    digest.begin();
    digest.integer(this.session);
    digest.integer(this.grantedMs);
    digest.integer(this.lifetimeMs);
    digest.integer(this.lowest);
    digest.end();
    this.sumA = (this.sumA + sign * digest.a) | 0;
    this.sumB = (this.sumB + sign * digest.b) | 0;
  }

  /** The first place whose sequence is not below this one. */
  private firstFrom(sequence: number): number {
    let low = this.first;
    let high = this.first + this.count;
    if (high > low && (this.sequences[high - 1] as number) < sequence) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.sequences[middle] as number) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What was dropped in front is used again once it is half of the places. */
  private makeRoom(): void {
    const places = this.sequences.length;
    this.move(this.count * 2 > places ? 2 * places : places);
  }

  private move(places: number): void {
    const { sequences, sums, places: replies, first, count } = this;
    if (places !== sequences.length) {
      this.sequences = new Float64Array(places);
      this.sums = new Int32Array(2 * places);
      this.places = new Uint8Array(PLACE_BYTES * places);
    }
    this.sequences.set(sequences.subarray(first, first + count));
    this.sums.set(sums.subarray(2 * first, 2 * (first + count)));
    this.places.set(replies.subarray(PLACE_BYTES * first, PLACE_BYTES * (first + count)));
    this.first = 0;
  }
}
