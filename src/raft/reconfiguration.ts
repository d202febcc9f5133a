/**
 * Changing members: the leader's proposal, and what every replica does when a configuration takes effect.
 * docs/decisions/0005-membership.md tells the rules and why they hold.
 *
 *   proposeChange -> entry -> committed -> applyConfiguration -> (joint: the leader proposes to leave) -> ...
 */
import { assert } from '../base/index.js';
import { isJoint, leaveJoint, planChange } from './change.js';
import { maybeCommit } from './commit.js';
import { Progress } from './progress.js';
import { wake } from './quiescence.js';
import { becomeFollower } from './roles.js';
import type { RaftState } from './state.js';
import { EntryKind } from './types.js';
import type { ChangeRefusal, ChangeResult, Configuration, Entry, MembershipChange } from './types.js';

export function proposeChange(state: RaftState, change: MembershipChange): ChangeResult {
  const refusal = refusalOf(state, change);
  if (refusal !== null) return refusal;
  // Also for a change that is refused: what is missing for it only comes to a group that is awake.
  wake(state, false);
  const planned = planChange(state.configuration, change);
  if (!planned.ok) return refused('invalid', planned.problem);
  for (const id of change.promote ?? []) {
    const problem = lagOf(state, id);
    if (problem !== null) return refused('learner_behind', problem);
  }
  return appendConfiguration(state, planned.configuration);
}

function refusalOf(state: RaftState, change: MembershipChange): ChangeResult | null {
  const { configuration, log } = state;
  if (state.role !== 'leader') return refused('not_leader', `replica ${state.id} does not lead`);
  if (state.transferTarget !== 0)
    return refused('transferring', `leadership is being handed to replica ${state.transferTarget}`);
  if (!state.leaderReady)
    return refused('not_ready', 'the leader has not committed an entry of its term yet');
  if (isJoint(configuration) || log.applied < state.changeIndex)
    return refused('change_in_progress', `configuration ${configuration.version} is being changed already`);
  if (change.expectedVersion !== configuration.version) {
    const { expectedVersion } = change;
    return refused(
      'version_mismatch',
      `the configuration is version ${configuration.version}, the change expects ${expectedVersion}`,
    );
  }
  if (log.uncommittedBytes > state.options.uncommittedBytesMax)
    return refused('overloaded', `${log.uncommittedBytes} bytes wait to be committed`);
  return null;
}

function refused(reason: ChangeRefusal, problem: string): ChangeResult {
  return { kind: 'refused', reason, problem };
}

/** Thesis, section 4.2.1: a voter that has to catch up first would hold back every commit. */
function lagOf(state: RaftState, id: number): string | null {
  const follower = state.follower(id);
  if (follower === null || follower.suspect || !follower.recentlyActive || follower.state !== 'replicate')
    return `replica ${id} does not answer, or is still being sent the state`;
  const lag = state.log.lastIndex - follower.match;
  return lag > state.options.promotionLagMax ? `replica ${id} is ${lag} entries behind` : null;
}

function appendConfiguration(state: RaftState, configuration: Configuration): ChangeResult {
  wake(state, false);
  const { log, term } = state;
  const index = log.lastIndex + 1;
  const data = state.options.configurations.encode(configuration);
  log.append({ index, term, kind: EntryKind.configuration, data });
  state.changeIndex = index;
  state.tracing?.changed(configuration);
  state.replicationDue = true;
  return { kind: 'appended', index, term };
}

/** The configuration that takes effect with this entry; null if the one in force is as new (a replay after a start). */
export function targetOf(state: RaftState, entry: Entry): Configuration | null {
  assert(entry.kind === EntryKind.configuration, `entry ${entry.index} is no configuration`);
  const target = state.options.configurations.decode(entry.data);
  return target.version > state.configuration.version ? target : null;
}

/** `target` is in the log, committed, and durable as a record; now it takes effect. */
export function applyConfiguration(state: RaftState, target: Configuration): void {
  const { version } = state.configuration;
  assert(target.version > version, `configuration ${target.version} after ${version}`);
  const dropped = state.followers.filter(({ id }) => !isNamed(target, id));
  state.setConfiguration(target);
  noteRemoval(state);
  if (state.role === 'leader') lead(state, dropped);
  // Votes were asked for, and would be counted, under another configuration.
  else if (state.role !== 'follower') becomeFollower(state, state.term, 0);
}

/** A newcomer may meet configurations from before its time: those don't remove it. */
export function noteRemoval(state: RaftState): void {
  const { version, highestId } = state.configuration;
  if (!state.isMember && state.id <= highestId) state.outbox.removedFromVersion = version;
}

function isNamed({ voters, outgoing, learners }: Configuration, id: number): boolean {
  return voters.includes(id) || outgoing.includes(id) || learners.includes(id);
}

function lead(state: RaftState, dropped: readonly Progress[]): void {
  // Whoever leaves has the entry, and is to learn that it is committed: it is the last word it gets.
  for (const follower of dropped) sendCommit(state, follower);
  const { followers, options, log } = state;
  state.followers = state.peers.map(
    (id) => followers.find((follower) => follower.id === id) ?? new Progress(id, log.lastIndex + 1, options),
  );
  state.replicationDue = true;
  if (!state.configuration.voters.includes(state.transferTarget)) state.endTransfer();
  // What was confirmed was so by the members of before: ask those of now.
  state.reads.restart();
  if (!state.isVoter) {
    stepDown(state);
    return;
  }
  maybeCommit(state);
  maybeLeaveJoint(state);
}

/** Thesis, section 4.2.2: a leader that removed itself. The voter that has most may campaign at once. */
function stepDown(state: RaftState): void {
  let heir: Progress | null = null;
  for (const follower of state.followers) {
    sendCommit(state, follower);
    if (!state.configuration.voters.includes(follower.id)) continue;
    if (heir === null || follower.match > heir.match) heir = follower;
  }
  if (heir !== null) {
    const { id: from, term, configuration } = state;
    state.outbox.messages.push({
      type: 'timeout_now',
      from,
      to: heir.id,
      term,
      configurationVersion: configuration.version,
    });
  }
  becomeFollower(state, state.term, 0);
}

function sendCommit(state: RaftState, follower: Progress): void {
  state.outbox.messages.push({
    type: 'heartbeat',
    from: state.id,
    to: follower.id,
    term: state.term,
    configurationVersion: state.configuration.version,
    commit: Math.min(follower.match, state.log.commit),
    quiesce: false,
  });
}

/** Asked whenever something was applied, and with every tick: whoever leads a joint group ends that. */
export function maybeLeaveJoint(state: RaftState): void {
  const { configuration } = state;
  if (!isJoint(configuration) || !configuration.autoLeave) return;
  if (!state.leaderReady || state.transferTarget !== 0 || state.log.applied < state.changeIndex) return;
  appendConfiguration(state, leaveJoint(configuration));
}
