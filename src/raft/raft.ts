/**
 * The door: one method per thing that can happen to a replica, each handed to the file that knows about it. No
 * decision is made here.
 */
import type { LogIndex, MonoMs, ReadyNumber, ReplicaId, Term } from '../base/index.js';
import { handleUnreachable } from './acks.js';
import type { StepVerdict } from './admission.js';
import type { Raft } from './api.js';
import { handleApplyEntries } from './apply.js';
import { stepMessage } from './dispatch.js';
import { maybeObeyOrder, startElection } from './election.js';
import { handlePersisted } from './persistence.js';
import { proposeEntry } from './proposal.js';
import { tryQuiesce, wake, type IsGone } from './quiescence.js';
import { requestRead } from './reads.js';
import { hasReady, takeReady } from './ready.js';
import {
  applyConfiguration,
  maybeLeaveJoint,
  noteRemoval,
  proposeChange,
  targetOf,
} from './reconfiguration.js';
import { handleFollowerEntries } from './replication.js';
import { becomeFollower } from './roles.js';
import { handleSnapshotSent } from './snapshot.js';
import { RaftState } from './state.js';
import { statusOf } from './status.js';
import { handleTick } from './tick.js';
import { startTransfer } from './transfer.js';
import type {
  ChangeResult,
  Configuration,
  Entry,
  MembershipChange,
  Message,
  ProposeResult,
  RaftInitial,
  RaftOptions,
  RaftStatus,
  ReadResult,
  Ready,
  Role,
} from './types.js';

export function createRaft(options: RaftOptions, initial: RaftInitial): Raft {
  return new RaftReplica(options, initial);
}

class RaftReplica implements Raft {
  readonly id: ReplicaId;
  private readonly state: RaftState;

  constructor(options: RaftOptions, initial: RaftInitial) {
    this.id = options.id;
    this.state = new RaftState(options, initial);
    // A restart may come between a removal and its confirmation: nobody will say it again.
    noteRemoval(this.state);
  }

  get role(): Role {
    return this.state.role;
  }

  get term(): Term {
    return this.state.term;
  }

  get leader(): ReplicaId {
    return this.state.leader;
  }

  get commit(): LogIndex {
    return this.state.log.commit;
  }

  get lastIndex(): LogIndex {
    return this.state.log.lastIndex;
  }

  get leaderReady(): boolean {
    return this.state.leaderReady;
  }

  get handingOver(): boolean {
    return this.state.handingOver;
  }

  get leaseUntilMs(): MonoMs {
    const { lease } = this.state;
    return lease !== null && this.state.leaderReady ? lease.untilMs : 0;
  }

  noteTime(nowMs: MonoMs): void {
    this.state.lease?.noteTime(nowMs);
  }

  get quiesced(): boolean {
    return this.state.quiescence.asleep;
  }

  tick(decide: boolean): void {
    handleTick(this.state, decide);
  }

  get configuration(): Configuration {
    return this.state.configuration;
  }

  step(message: Message): StepVerdict {
    return stepMessage(this.state, message);
  }

  propose(data: Uint8Array): ProposeResult {
    return proposeEntry(this.state, data);
  }

  proposeChange(change: MembershipChange): ChangeResult {
    return proposeChange(this.state, change);
  }

  targetOf(entry: Entry): Configuration | null {
    return targetOf(this.state, entry);
  }

  applyConfiguration(configuration: Configuration): void {
    applyConfiguration(this.state, configuration);
  }

  readIndex(context: number, viaLeader = false): ReadResult {
    return requestRead(this.state, context, viaLeader);
  }

  transferLeader(to: ReplicaId): boolean {
    return startTransfer(this.state, to);
  }

  stepDown(): void {
    if (this.state.role === 'leader') becomeFollower(this.state, this.state.term, 0);
  }

  campaign(): void {
    wake(this.state, false);
    startElection(this.state, false);
  }

  quiesce(isGone: IsGone): void {
    tryQuiesce(this.state, isGone);
  }

  wake(isLeaderLost: boolean): void {
    wake(this.state, isLeaderLost);
  }

  hasReady(): boolean {
    return hasReady(this.state);
  }

  ready(): Ready {
    return takeReady(this.state);
  }

  onPersisted(number: ReadyNumber): void {
    handlePersisted(this.state, number);
  }

  onApplied(index: LogIndex): void {
    const { state } = this;
    state.log.applyTo(index);
    maybeObeyOrder(state);
    maybeLeaveJoint(state);
  }

  /** An answer to a fetch that is not open any more is dropped: term, next index or log moved on meanwhile. */
  onFetched(fetchId: number, entries: readonly Entry[] | null): void {
    const { state } = this;
    if (state.applyFetch?.id === fetchId) {
      handleApplyEntries(state, entries);
      return;
    }
    for (const follower of state.followers) {
      if (follower.fetchId === fetchId) handleFollowerEntries(state, follower, entries);
    }
  }

  onCompacted(index: LogIndex): void {
    this.state.log.compactTo(index);
  }

  onSnapshotSent(to: ReplicaId, index: LogIndex, ok: boolean): void {
    const follower = this.state.follower(to);
    if (follower !== null) handleSnapshotSent(this.state, follower, index, ok);
  }

  onUnreachable(to: ReplicaId): void {
    const follower = this.state.follower(to);
    if (follower !== null) handleUnreachable(follower);
  }

  termAt(index: LogIndex): Term {
    return this.state.log.termAt(index);
  }

  status(): RaftStatus {
    return statusOf(this.state);
  }
}
