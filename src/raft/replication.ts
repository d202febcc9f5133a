/**
 * The leader's sending side: appends by window or by probe, entries from the tail or fetched from the log store.
 *
 * Appends are built when a Ready is taken, not when something is proposed or acknowledged: all proposals of a turn,
 * and the commit index that moved in it, go in as few messages as fit.
 */
import { assert } from '../base/index.js';
import type { LogIndex } from '../base/index.js';
import { totalBytes } from './entry-size.js';
import type { Progress } from './progress.js';
import type { RaftState } from './state.js';
import type { Entry } from './types.js';

const NO_ENTRIES: readonly Entry[] = [];

/** Sends every follower what is due to it. */
export function replicate(state: RaftState): void {
  state.replicationDue = false;
  for (const follower of state.followers) {
    if (follower.state === 'probe') sendProbe(state, follower);
    else if (follower.state === 'replicate') sendWindow(state, follower);
  }
}

/** Whether `replicate` would send this follower anything. */
export function isSendDue(state: RaftState, follower: Progress): boolean {
  switch (follower.state) {
    case 'snapshot':
      return false;
    case 'probe':
      return !follower.paused;
    case 'replicate':
      if (follower.nudged || needsSnapshot(state, follower)) return true;
      if (follower.inflights.full) return false;
      if (follower.next <= state.log.lastIndex && follower.fetchId === 0) return true;
      return isCommitNews(state, follower);
  }
}

/** Built with the Ready too: at most one per follower in it, however many ticks went by. */
export function broadcastHeartbeat(state: RaftState): void {
  state.heartbeatDue = false;
  for (const follower of state.followers) {
    state.outbox.messages.push({
      type: 'heartbeat',
      from: state.id,
      to: follower.id,
      term: state.term,
      configurationVersion: state.configuration.version,
      // Never beyond what is known to match: the rest of the follower's log may be another leader's.
      commit: Math.min(follower.match, state.log.commit),
    });
  }
}

function sendProbe(state: RaftState, follower: Progress): void {
  if (follower.paused) return;
  const { log } = state;
  if (needsSnapshot(state, follower)) {
    requestSnapshot(state, follower);
    return;
  }
  // Entries ride along if they are at hand; it is not worth a fetch to find out where the logs agree.
  const entries = log.tail.has(follower.next) ? nextEntries(state, follower) : NO_ENTRIES;
  sendAppend(state, follower, entries);
  follower.paused = true;
}

function sendWindow(state: RaftState, follower: Progress): void {
  const { log } = state;
  // Even with a full window: whatever becomes of it, what comes next is gone, and so is the place to ask about.
  if (needsSnapshot(state, follower)) {
    requestSnapshot(state, follower);
    return;
  }
  let sent = false;
  while (follower.next <= log.lastIndex && !follower.inflights.full) {
    if (!log.tail.has(follower.next)) {
      requestEntries(state, follower);
      break;
    }
    sendEntries(state, follower, nextEntries(state, follower));
    sent = true;
  }
  const isNews = isCommitNews(state, follower) && !follower.inflights.full;
  if (!sent && (follower.nudged || isNews)) sendAppend(state, follower, NO_ENTRIES);
  follower.nudged = false;
}

function nextEntries(state: RaftState, follower: Progress): readonly Entry[] {
  return state.log.tail.slice(follower.next, state.log.lastIndex, state.options.appendBytesMax);
}

/** `replicate` only: sends and takes for granted that they arrive. */
function sendEntries(state: RaftState, follower: Progress, entries: readonly Entry[]): void {
  const last = entries[entries.length - 1];
  assert(last !== undefined, `no entries to send to replica ${follower.id}`);
  sendAppend(state, follower, entries);
  follower.next = last.index + 1;
  follower.inflights.add(last.index, totalBytes(entries));
}

function sendAppend(state: RaftState, follower: Progress, entries: readonly Entry[]): void {
  const { log } = state;
  const prevIndex = follower.next - 1;
  assert(prevIndex >= log.truncatedIndex, `term of truncated entry ${prevIndex} is unknown`);
  state.outbox.messages.push({
    type: 'append',
    from: state.id,
    to: follower.id,
    term: state.term,
    configurationVersion: state.configuration.version,
    prevIndex,
    prevTerm: log.termAt(prevIndex),
    commit: log.commit,
    entries,
  });
  follower.commitSent = Math.max(follower.commitSent, commitFor(state, prevIndex + entries.length));
}

/** The commit index that a follower takes from an append that ends at `index`. */
function commitFor(state: RaftState, index: LogIndex): LogIndex {
  return Math.min(state.log.commit, index);
}

/** Whether the commit index is worth an append of its own. */
function isCommitNews(state: RaftState, follower: Progress): boolean {
  return state.options.eagerCommitNews && commitFor(state, follower.next - 1) > follower.commitSent;
}

function needsSnapshot(state: RaftState, follower: Progress): boolean {
  return follower.next - 1 < state.log.truncatedIndex;
}

function requestSnapshot(state: RaftState, follower: Progress): void {
  follower.becomeSnapshot();
  state.outbox.snapshotsWanted.push(follower.id);
}

function requestEntries(state: RaftState, follower: Progress): void {
  if (follower.fetchId !== 0) return;
  follower.fetchId = ++state.lastFetchId;
  pushFetch(state, follower);
}

function pushFetch(state: RaftState, follower: Progress): void {
  follower.fetchAtTick = state.ticks;
  state.outbox.fetches.push({
    id: follower.fetchId,
    lo: follower.next,
    hi: state.log.tail.first,
    bytesMax: state.options.appendBytesMax,
    purpose: follower.id,
  });
}

/** Asks again for a fetch that stays unanswered; under the same id, so that the first answer serves. */
export function maybeRepeatFetch(state: RaftState, follower: Progress): void {
  if (follower.fetchId === 0) return;
  if (state.ticks - follower.fetchAtTick < state.options.electionTicks) return;
  pushFetch(state, follower);
}

/** The answer to the follower's open fetch. Its `next` can't have moved but by going back to probing. */
export function handleFollowerEntries(
  state: RaftState,
  follower: Progress,
  entries: readonly Entry[] | null,
): void {
  assert(follower.state === 'replicate', `fetch for replica ${follower.id} in state ${follower.state}`);
  follower.fetchId = 0;
  state.replicationDue = true;
  if (entries === null) {
    requestSnapshot(state, follower);
    return;
  }
  const first = entries[0];
  // An acknowledgement may have overtaken (of entries sent before a restart of probing).
  if (first === undefined || first.index !== follower.next || follower.inflights.full) return;
  checkFetched(state, entries);
  sendEntries(state, follower, entries);
}

/** The log store gave back what the core knows it holds. */
export function checkFetched(state: RaftState, entries: readonly Entry[]): void {
  let index = entries[0]?.index ?? 0;
  for (const entry of entries) {
    if (entry.index !== index) assert(false, `fetched entry ${entry.index} where ${index} was expected`);
    const term = state.log.termAt(index);
    if (entry.term !== term)
      assert(false, `fetched entry ${index} of term ${entry.term}, the log has ${term}`);
    index++;
  }
}
