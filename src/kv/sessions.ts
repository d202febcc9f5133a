/**
 * Sessions of one shard: a write that comes again under the same session and sequence gets the reply that it got, and
 * changes nothing. Part of the replicated state: everything here follows from the entries and their timestamps alone.
 *
 *   none --its first write, before its end--> open --the log's time reaches its end--> ended --next 5 s--> none
 *
 * Invariants: a session that has not ended is never dropped; one that has ended takes nothing more, whether it was
 * dropped yet or not; sessions and replies are bounded, and what finds no room changes nothing.
 */
import type { ByteReader, ByteWriter } from '../base/index.js';
import { Digest } from './digest.js';
import { KvError, putError } from './result.js';
import { Session, SESSION_WINDOW } from './session.js';
import { SessionFieldsSlot } from './session-fields.js';

/** Sessions of a shard; those that ended and were not dropped yet count. */
export const SESSIONS_MAX = 16_384;
/** Replies of all of them. */
export const KEPT_REPLIES_MAX = 131_072;
/** A longer lifetime is refused, so that what is kept goes away whatever clients claim. */
export const SESSION_LIFETIME_MS_MAX = 3_600_000;
/** A grant may be so far ahead of the log's time. */
export const SESSION_AHEAD_MS_MAX = 60_000;
/** Ended sessions are dropped when the log's time passes a multiple of this. */
const SWEEP_MS = 5_000;

export class Sessions {
  /** Sum of the digests of all sessions: two lanes. */
  sumA = 0;
  sumB = 0;
  /** Writes that came again since the program started; no part of the state. */
  duplicates = 0;
  private readonly byNumber = new Map<number, Session>();
  private kept = 0;
  private readonly digest = new Digest();
  private readonly fields = new SessionFieldsSlot();
  /** Of the command at hand. */
  private current: Session | null = null;

  get count(): number {
    return this.byNumber.size;
  }

  get keptReplies(): number {
    return this.kept;
  }

  values(): IterableIterator<Session> {
    return this.byNumber.values();
  }

  /**
   * Takes a write whose session's fields the reader stands at. True: run it, and `keep` its reply. False: `out` has the
   * reply already, and nothing is to be changed. Throws `ShortBytesError`.
   */
  admit(reader: ByteReader, timestampMs: number, out: ByteWriter): boolean {
    const fields = this.fields.read(reader);
    this.current = null;
    const refusal = this.open(timestampMs);
    const session = this.current as Session | null;
    if (refusal !== null || session === null) {
      putError(out, refusal ?? KvError.malformed);
      return false;
    }
    const { sumA, sumB } = session;
    this.kept -= session.raiseLowest(fields.lowestUnanswered, this.digest);
    this.addSums(session, sumA, sumB);
    if (fields.sequence < session.lowest) {
      putError(out, KvError.sequenceAnswered);
      return false;
    }
    const place = session.find(fields.sequence);
    if (place >= 0) {
      this.duplicates++;
      out.bytes(session.bytes, session.replyStart(place), session.replyEnd(place));
      return false;
    }
    if (session.count < SESSION_WINDOW && this.kept < KEPT_REPLIES_MAX) return true;
    putError(out, KvError.sessionsFull);
    return false;
  }

  /** Keeps the reply of the write that was admitted last: `bytes[start, end)`. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    const session = this.current as Session;
    const { sumA, sumB } = session;
    session.keep(this.fields.sequence, bytes, start, end, this.digest);
    this.kept++;
    this.addSums(session, sumA, sumB);
  }

  /** The log's time moved: what has ended by now may have to go. */
  onTime(beforeMs: number, nowMs: number): void {
    if (this.byNumber.size === 0 || Math.floor(beforeMs / SWEEP_MS) === Math.floor(nowMs / SWEEP_MS)) return;
    for (const session of this.byNumber.values()) {
      if (session.endMs > nowMs) continue;
      this.byNumber.delete(session.session);
      this.kept -= session.count;
      this.sumA = (this.sumA - session.sumA) | 0;
      this.sumB = (this.sumB - session.sumB) | 0;
    }
  }

  /** Puts a session back that a snapshot tells of; null: there is one of that number, or no room. */
  restore(session: number, grantedMs: number, lifetimeMs: number, lowest: number): Session | null {
    if (this.byNumber.has(session) || this.byNumber.size >= SESSIONS_MAX) return null;
    const opened = this.add(session, grantedMs, lifetimeMs);
    const { sumA, sumB } = opened;
    opened.raiseLowest(lowest, this.digest);
    this.addSums(opened, sumA, sumB);
    return opened;
  }

  /** Its next reply. Sequences ascend; false: it is none that could have been kept. */
  restoreReply(session: Session, sequence: number, bytes: Uint8Array, start: number, end: number): boolean {
    const last =
      session.count === 0 ? session.lowest - 1 : session.sequenceAt(session.firstPlace + session.count - 1);
    if (sequence <= last || session.count >= SESSION_WINDOW) return false;
    const { sumA, sumB } = session;
    session.keep(sequence, bytes, start, end, this.digest);
    this.kept++;
    this.addSums(session, sumA, sumB);
    return true;
  }

  /** Finds or opens the session that the fields name: `current`. Returns why there is none. */
  private open(timestampMs: number): KvError | null {
    const { session, grantedMs, lifetimeMs, sequence, lowestUnanswered, endMs } = this.fields;
    if (session === 0 || sequence === 0 || lowestUnanswered > sequence) return KvError.malformed;
    if (endMs <= timestampMs) return KvError.sessionExpired;
    const known = this.byNumber.get(session);
    if (known !== undefined) {
      // Drawn twice: whoever came second needs another one.
      if (known.grantedMs !== grantedMs || known.lifetimeMs !== lifetimeMs) return KvError.sessionExpired;
      this.current = known;
      return null;
    }
    if (lifetimeMs > SESSION_LIFETIME_MS_MAX || grantedMs > timestampMs + SESSION_AHEAD_MS_MAX) {
      return KvError.sessionExpired;
    }
    if (this.byNumber.size >= SESSIONS_MAX) return KvError.sessionsFull;
    this.current = this.add(session, grantedMs, lifetimeMs);
    return null;
  }

  private add(number: number, grantedMs: number, lifetimeMs: number): Session {
    const session = new Session(number, grantedMs, lifetimeMs);
    this.byNumber.set(number, session);
    session.begin(this.digest);
    this.addSums(session, 0, 0);
    return session;
  }

  private addSums(session: Session, beforeA: number, beforeB: number): void {
    this.sumA = (this.sumA + session.sumA - beforeA) | 0;
    this.sumB = (this.sumB + session.sumB - beforeB) | 0;
  }
}
