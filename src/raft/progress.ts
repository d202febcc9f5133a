/**
 * What a leader knows of one peer (follower or learner). Lives for one leadership.
 *
 *            accepted                      rejected, unreachable
 *   probe ------------> replicate        replicate ------------> probe
 *     |  needs what is compacted            |  needs what is compacted
 *     +------------> snapshot <-------------+
 *   snapshot -- sent, failed --> probe      snapshot -- acknowledged up to the log --> replicate
 *
 * Invariant: match < next. In `probe` one message is out at a time (`paused` until an answer or a heartbeat's
 * answer); in `replicate` the window limits; in `snapshot` nothing is sent but heartbeats and read rounds.
 */
import type { LogIndex, ReplicaId } from '../base/index.js';
import { Inflights } from './inflights.js';
import type { FollowerStatus, RaftOptions } from './types.js';

export class Progress {
  state: FollowerStatus['state'] = 'probe';
  /** Known to be durable there and equal to the leader's. Only rises. */
  match: LogIndex = 0;
  /** First entry of the next append. */
  next: LogIndex;
  /** `probe`: the probe is out. */
  paused = false;
  /** `replicate`: an append is due even without news: the peer's answer shows whether appends were lost. */
  nudged = false;
  /** The commit index that the peer learns from what was sent, if nothing is lost. */
  commitSent: LogIndex = 0;
  /** Heard in this term since the last look of CheckQuorum. */
  recentlyActive = false;
  /** It said that it is suspect: nothing it holds counts, now or later. */
  suspect = false;
  /** The version of the configuration in force there, as it last said. Only rises. */
  configurationVersion = 0;
  /** The newest read round that the peer answered. */
  roundAnswered = 0;
  /** Outstanding fetch of entries that left the tail; 0 if none. */
  fetchId = 0;
  fetchAtTick = 0;
  /** A snapshot that the peer holds but has not acknowledged: until this tick a rejected probe is no news. */
  installUntilTick = 0;
  readonly inflights: Inflights;

  constructor(
    readonly id: ReplicaId,
    next: LogIndex,
    options: RaftOptions,
  ) {
    this.next = next;
    this.inflights = new Inflights(options.inflightMessagesMax, options.inflightBytesMax);
  }

  /** A message of this term came from it. */
  hear(configurationVersion: number): void {
    if (configurationVersion > this.configurationVersion) this.configurationVersion = configurationVersion;
  }

  becomeProbe(next = this.match + 1): void {
    this.state = 'probe';
    this.next = Math.max(next, this.match + 1);
    this.paused = false;
    this.forgetSent();
  }

  becomeReplicate(): void {
    this.state = 'replicate';
    this.next = this.match + 1;
    this.paused = false;
    this.installUntilTick = 0;
    this.forgetSent();
  }

  becomeSnapshot(): void {
    this.state = 'snapshot';
    this.paused = false;
    this.forgetSent();
  }

  /** Returns whether `match` moved. */
  acknowledge(index: LogIndex): boolean {
    if (this.state === 'replicate') this.inflights.freeTo(index);
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
    this.paused = false;
    return true;
  }

  private forgetSent(): void {
    this.inflights.clear();
    this.nudged = false;
    this.fetchId = 0;
  }
}
