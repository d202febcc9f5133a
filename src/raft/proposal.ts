/** Taking a client's entry into the leader's log. A refused proposal has changed nothing. */
import { ENTRY_OVERHEAD_BYTES } from './entry-size.js';
import { wake } from './quiescence.js';
import type { RaftState } from './state.js';
import { EntryKind } from './types.js';
import type { ProposeResult } from './types.js';

export function proposeEntry(state: RaftState, data: Uint8Array): ProposeResult {
  if (state.role !== 'leader') return { kind: 'dropped', reason: 'not_leader', leader: state.leader };
  if (state.handingOver) return { kind: 'dropped', reason: 'transferring', leader: state.leader };
  const { log } = state;
  const bytes = log.uncommittedBytes + data.length + ENTRY_OVERHEAD_BYTES;
  // A single entry larger than the bound gets through when nothing else waits; else it never would.
  if (bytes > state.options.uncommittedBytesMax && log.uncommittedBytes > 0) {
    return { kind: 'dropped', reason: 'overloaded', leader: state.leader };
  }
  wake(state, false);
  const index = log.lastIndex + 1;
  log.append({ index, term: state.term, kind: EntryKind.normal, data });
  state.tracing?.tell({ name: 'Replicate' });
  state.replicationDue = true;
  return { kind: 'appended', index, term: state.term };
}
