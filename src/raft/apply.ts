/**
 * Handing out committed entries, page by page: the next page comes when the last one is applied, so that a slow
 * state machine holds at most one page. Entries that left the tail are fetched from the log store first.
 */
import { assert } from '../base/index.js';
import type { LogIndex } from '../base/index.js';
import { checkFetched } from './replication.js';
import type { RaftState } from './state.js';
import type { Entry } from './types.js';

const NO_ENTRIES: readonly Entry[] = [];

/** Whether a Ready taken now brings a page, or a fetch for one. */
export function isApplyDue(state: RaftState): boolean {
  const { log, applyFetch } = state;
  if (log.applying !== log.applied || log.applying >= log.applicable) return false;
  return applyFetch === null || applyFetch.entries !== null;
}

/** The next page; empty while it is being fetched. */
export function takeCommitted(state: RaftState): readonly Entry[] {
  if (!isApplyDue(state)) return NO_ENTRIES;
  const { log } = state;
  const low = log.applying + 1;
  const page = takeFetched(state) ?? takeFromTail(state, low);
  if (page === null) {
    requestPage(state, low);
    return NO_ENTRIES;
  }
  const last = page[page.length - 1];
  assert(last !== undefined && page[0]?.index === low, `committed page does not begin at ${low}`);
  assert(last.index <= log.applicable, `entry ${last.index} handed out beyond ${log.applicable}`);
  log.applying = last.index;
  return page;
}

function takeFetched(state: RaftState): readonly Entry[] | null {
  const entries = state.applyFetch?.entries ?? null;
  state.applyFetch = null;
  return entries;
}

function takeFromTail(state: RaftState, low: LogIndex): readonly Entry[] | null {
  const { log } = state;
  if (!log.tail.has(low)) return null;
  return log.tail.slice(low, log.applicable, state.options.committedBytesMax);
}

function requestPage(state: RaftState, lo: LogIndex): void {
  const hi = Math.min(state.log.applicable + 1, state.log.tail.first);
  assert(lo > state.log.truncatedIndex, `entry ${lo} was compacted before it was applied`);
  state.applyFetch = { id: ++state.lastFetchId, lo, hi, atTick: state.ticks, entries: null };
  pushFetch(state);
}

function pushFetch(state: RaftState): void {
  const fetch = state.applyFetch;
  if (fetch === null) return;
  fetch.atTick = state.ticks;
  const { id, lo, hi } = fetch;
  state.outbox.fetches.push({ id, lo, hi, bytesMax: state.options.committedBytesMax, purpose: 'apply' });
}

/** Asks again for a page that stays out; under the same id, so that the first answer serves. */
export function tickApplyFetch(state: RaftState): void {
  const fetch = state.applyFetch;
  if (fetch === null || fetch.entries !== null) return;
  if (state.ticks - fetch.atTick >= state.options.electionTicks) pushFetch(state);
}

/** The answer to the open fetch. */
export function handleApplyEntries(state: RaftState, entries: readonly Entry[] | null): void {
  const fetch = state.applyFetch;
  assert(fetch !== null, 'no fetch to apply is open');
  if (fetch.entries !== null) return;
  assert(entries !== null, `committed entry ${fetch.lo} left the log before it was applied`);
  const first = entries[0];
  const last = entries[entries.length - 1];
  assert(first?.index === fetch.lo, `fetch of [${fetch.lo}, ${fetch.hi}) answered from ${first?.index ?? 0}`);
  assert(
    last !== undefined && last.index < fetch.hi,
    `fetch up to ${fetch.hi} answered up to ${last?.index ?? 0}`,
  );
  checkFetched(state, entries);
  fetch.entries = entries;
}
