/** The leader's receiving side: what followers answer to appends, heartbeats and read rounds. */
import { maybeCommit } from './commit.js';
import type { Progress } from './progress.js';
import { isSendDue, maybeRepeatFetch } from './replication.js';
import type { MessageOf, RaftState } from './state.js';
import { maybeHandOver } from './transfer.js';

export function handleAppendResponse(state: RaftState, message: MessageOf<'append_response'>): void {
  const follower = state.follower(message.from);
  if (follower === null) return;
  follower.recentlyActive = true;
  if (message.reject) {
    handleReject(state, follower, message);
    return;
  }
  const { index } = message;
  const isProbed = follower.state === 'probe' && index >= follower.next - 1;
  const moved = follower.acknowledge(index);
  if (follower.state !== 'replicate') {
    // The probe's own answer; or news from before it, or a snapshot's, if the log serves the follower from there.
    const isServed = moved && follower.match >= state.log.truncatedIndex;
    if (isProbed || isServed) follower.becomeReplicate();
  }
  if (moved) maybeCommit(state);
  if (isSendDue(state, follower)) state.replicationDue = true;
  maybeHandOver(state, follower);
}

/** Raft paper, section 5.3 (end): the hint skips a whole term's conflict at a time. */
function handleReject(state: RaftState, follower: Progress, message: MessageOf<'append_response'>): void {
  switch (follower.state) {
    case 'snapshot':
      return;
    case 'replicate':
      // What lies at or below `match` was accepted: an old message.
      if (message.index <= follower.match) return;
      follower.becomeProbe();
      break;
    case 'probe':
      // Not about the probe that is out: an old message.
      if (message.index !== follower.next - 1) return;
      if (state.ticks < follower.installUntilTick) return;
      backtrack(state, follower, message);
      break;
  }
  state.replicationDue = true;
}

function backtrack(state: RaftState, follower: Progress, message: MessageOf<'append_response'>): void {
  // The follower's log up to the hint has terms up to the hint's; so the logs can agree at most where this one has
  // such a term too.
  const agreed = state.log.greatestUpTo(message.hintIndex, message.hintTerm);
  // At least one step back, so that probing ends whatever the hint says.
  follower.becomeProbe(Math.min(message.index, agreed + 1));
}

/** A sign of life, and the cure for lost messages: whatever was sent and not answered is asked about again. */
export function handleHeartbeatResponse(state: RaftState, message: MessageOf<'heartbeat_response'>): void {
  const follower = state.follower(message.from);
  if (follower === null) return;
  follower.recentlyActive = true;
  if (follower.state === 'probe') {
    follower.paused = false;
    state.replicationDue = true;
  } else if (follower.state === 'replicate' && follower.match < state.log.lastIndex) {
    maybeRepeatFetch(state, follower);
    follower.nudged = true;
    state.replicationDue = true;
  }
  maybeHandOver(state, follower);
}

/** Its disk lost something: it will never acknowledge, and waits for a successor. */
export function handleSuspect(state: RaftState, message: MessageOf<'suspect'>): void {
  const follower = state.follower(message.from);
  if (follower !== null) follower.suspect = true;
}

/** A link went down: what is in flight is lost, most likely. */
export function handleUnreachable(follower: Progress): void {
  if (follower.state === 'replicate') follower.becomeProbe();
}
