/**
 * The client's sessions: under one of them every write is sent, so that it may be sent again without being applied again.
 *
 *   none --asked for on a stream--> current --half of its time--> the next one is asked for, and takes its place
 *
 * Writes keep the session of their first attempt. What a server does not grant within a second, or a shard refuses, is
 * gone without for a while: such writes are never repeated once they may have arrived.
 */
import { SequenceWindow } from '../base/index.js';
import type { MonoMs } from '../base/index.js';
import type { SessionMessage } from '../codec/cache/index.js';
import type { OperationTable } from './operation-table.js';

/** Writes of one session on one shard from the lowest unanswered on: what a shard keeps at most. */
const WINDOW = 1024;
/** Writes wait so long for a first session. */
const GRANT_MS_MAX = 1000;
const ASK_AGAIN_MS = 500;
/** After a shard refused a session that should have been good. */
const WITHOUT_MS = 5000;
/** A session is not used any more so long before its end: the clocks may differ. */
const MARGIN_MS = 2000;

export class ClientSession {
  private readonly windows: (SequenceWindow | undefined)[] = [];

  constructor(
    readonly grant: SessionMessage,
    readonly renewAt: MonoMs,
    readonly endAt: MonoMs,
  ) {}

  windowOf(lane: number): SequenceWindow {
    return (this.windows[lane] ??= new SequenceWindow(WINDOW));
  }
}

export class ClientSessions {
  private current: ClientSession | null = null;
  private askedAt: MonoMs = -Infinity;
  /** Since when writes wait for one; -1: none does. */
  private waitingSince: MonoMs = -1;
  private withoutUntil: MonoMs = -Infinity;
  private lastSequence = 0;

  /** `isOn` false: the client does without sessions. */
  constructor(private readonly isOn: boolean) {}

  /**
   * Gives the write a place in a session, where it stays until `leave`; 'done' also for one that goes without. 'full': the
   * shard's window is.
   */
  place(table: OperationTable, slot: number, lane: number, now: MonoMs): 'done' | 'wait' | 'full' {
    // One whose session a shard refused goes without.
    if (table.sequenceOf(slot) !== 0 || table.refusalOf(slot)?.code === 'SESSION_EXPIRED') return 'done';
    const session = this.toSendUnder(now);
    if (session === 'wait') return 'wait';
    if (session === null) return 'done';
    const window = session.windowOf(lane);
    if (window.isFull) return 'full';
    // Sequences are the client's, over all shards and sessions.
    const sequence = ++this.lastSequence;
    window.add(sequence);
    table.setSession(slot, session, sequence);
    return 'done';
  }

  /** The write needs its place no more. True: others may have waited for it. */
  leave(table: OperationTable, slot: number, lane: number): boolean {
    const session = table.sessionOf(slot);
    if (session === null) return false;
    const window = session.windowOf(lane);
    const wasFull = window.isFull;
    window.settle(table.sequenceOf(slot));
    table.setSession(slot, null, 0);
    return wasFull;
  }

  /** The one to send under; 'wait' until `waitEndsAt`, or until one is granted; null: without. */
  private toSendUnder(now: MonoMs): ClientSession | 'wait' | null {
    if (!this.isOn || now < this.withoutUntil) return null;
    if (this.current !== null && now < this.current.endAt) return this.current;
    if (this.waitingSince < 0) this.waitingSince = now;
    return now < this.waitEndsAt ? 'wait' : null;
  }

  get waitEndsAt(): MonoMs {
    return this.waitingSince + GRANT_MS_MAX;
  }

  /** Whether a server should be asked for one now. */
  wants(now: MonoMs): boolean {
    if (!this.isOn || now < this.withoutUntil || now < this.askedAt + ASK_AGAIN_MS) return false;
    return this.current === null || now >= this.current.renewAt;
  }

  onAsked(now: MonoMs): void {
    this.askedAt = now;
  }

  onGranted(grant: SessionMessage, now: MonoMs): void {
    if (!this.isOn || grant.session === 0) return;
    const { lifetimeMs } = grant;
    this.current = new ClientSession({ ...grant }, now + lifetimeMs / 2, now + lifetimeMs - MARGIN_MS);
    this.waitingSince = -1;
    this.askedAt = -Infinity;
  }

  /** A shard said that it has ended. */
  onRefused(session: ClientSession, now: MonoMs): void {
    if (this.current !== session) return;
    // One that is old may well have: the next will do. One that is young meets a clock that is far off.
    if (now < session.renewAt) this.withoutUntil = now + WITHOUT_MS;
    this.current = null;
    this.waitingSince = -1;
  }
}
