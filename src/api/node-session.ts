/**
 * The node's own session, for writes that it forwards for callers without one: so that the gateway may send them again
 * when a link or a leader is lost. Sequences ascend over all shards and sessions of this life; a window per shard.
 *
 * A shard may refuse the session (it is full of others, or its clock is far from ours): then forwarded writes go without
 * one for a while, as they would in a cluster without sessions.
 */
import { ByteWriter, SequenceWindow, type GroupId, type MonoMs } from '../base/index.js';
import { appendWithSession, SESSION_WINDOW, SessionFieldsSlot } from '../kv/index.js';
import type { SessionGrants } from './session-grants.js';

/** After a refusal. */
const WITHOUT_MS = 1_000;
const WRAPPED_BYTES_KEPT_MAX = 64 * 1024;

export class NodeSession {
  /** Valid until the next call of `wrap`. */
  wrapped = new ByteWriter(256);
  private readonly fields = new SessionFieldsSlot();
  private windows = new Map<GroupId, SequenceWindow>();
  private renewAtMs: MonoMs = -Infinity;
  private withoutUntilMs: MonoMs = -Infinity;

  constructor(private readonly grants: SessionGrants) {}

  /** Puts the next write to this shard, with its place in the session, into `wrapped`. False: it goes without. */
  wrap(shard: GroupId, nowMs: MonoMs, bytes: Uint8Array, start: number, end: number): boolean {
    if (nowMs < this.withoutUntilMs) return false;
    if (nowMs >= this.renewAtMs && !this.renew(nowMs)) return false;
    let window = this.windows.get(shard);
    if (window === undefined) this.windows.set(shard, (window = new SequenceWindow(SESSION_WINDOW)));
    if (window.isFull) return false;
    const { fields } = this;
    fields.sequence++;
    fields.lowestUnanswered = window.lowest(fields.sequence);
    window.add(fields.sequence);
    if (this.wrapped.buffer.length > WRAPPED_BYTES_KEPT_MAX) this.wrapped = new ByteWriter(256);
    this.wrapped.reset();
    appendWithSession(this.wrapped, bytes, start, end, fields);
    return true;
  }

  /** Of the write that was wrapped last. */
  get sequence(): number {
    return this.fields.sequence;
  }

  /** Nobody waits for that write any more. */
  settle(shard: GroupId, sequence: number): void {
    this.windows.get(shard)?.settle(sequence);
  }

  /** A shard does not take it. */
  onRefused(nowMs: MonoMs): void {
    this.withoutUntilMs = nowMs + WITHOUT_MS;
    this.renewAtMs = -Infinity;
  }

  /** What is under way under the session before keeps its fields. False: there is none to be had. */
  private renew(nowMs: MonoMs): boolean {
    const granted = this.grants.grant();
    if (granted === null) return false;
    const { session, grantedMs, lifetimeMs } = granted;
    this.fields.session = session;
    this.fields.grantedMs = grantedMs;
    this.fields.lifetimeMs = lifetimeMs;
    this.windows = new Map();
    this.renewAtMs = nowMs + lifetimeMs / 2;
    return true;
  }
}
