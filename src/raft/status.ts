/** A copy of what a replica knows of itself and its followers, for people, metrics and tests. */
import type { RaftState } from './state.js';
import type { RaftStatus } from './types.js';

export function statusOf(state: RaftState): RaftStatus {
  const { log } = state;
  return {
    id: state.id,
    role: state.role,
    term: state.term,
    vote: state.vote,
    leader: state.leader,
    commit: log.commit,
    applied: log.applied,
    persisted: log.persisted,
    firstIndex: log.truncatedIndex + 1,
    lastIndex: log.lastIndex,
    configuration: state.configuration,
    transferTarget: state.transferTarget,
    uncommittedBytes: log.uncommittedBytes,
    followers: state.followers.map((follower) => ({
      id: follower.id,
      state: follower.state,
      match: follower.match,
      next: follower.next,
      recentlyActive: follower.recentlyActive,
      suspect: follower.suspect,
      configurationVersion: follower.configurationVersion,
      inflightMessages: follower.inflights.count,
      inflightBytes: follower.inflights.bytes,
    })),
  };
}
