/** Snapshots: the leader's hand-off of a follower that needs compacted entries, and the follower's installation. */
import { assert } from '../base/index.js';
import type { LogIndex } from '../base/index.js';
import { acknowledgeAppend } from './append.js';
import type { Progress } from './progress.js';
import { noteRemoval } from './reconfiguration.js';
import { hearLeader } from './roles.js';
import type { MessageOf, RaftState } from './state.js';

/** The stream to `follower` ended. */
export function handleSnapshotSent(state: RaftState, follower: Progress, index: LogIndex, ok: boolean): void {
  if (follower.state !== 'snapshot') return;
  assert(index <= state.log.commit, `snapshot at ${index} beyond commit ${state.log.commit}`);
  follower.becomeProbe(ok ? index + 1 : follower.match + 1);
  // Wait for the acknowledgement of the installation, or for a heartbeat's answer.
  follower.paused = true;
  // The installation may take longer than a heartbeat: a rejected probe before that would ask for another snapshot.
  follower.installUntilTick = ok ? state.ticks + state.options.electionTicks : 0;
}

/** The file is on disk and verified; now it takes the place of log and state, unless these have what it has. */
export function handleSnapshot(state: RaftState, message: MessageOf<'snapshot'>): void {
  hearLeader(state, message.from);
  if (state.options.suspect) return;
  const { log } = state;
  const { index, term, configuration } = message.snapshot;
  if (log.matches(index, term)) {
    // The log holds all of it, and may hold acknowledged entries behind it: those must stay.
    log.commitTo(index);
  } else if (index > log.commit) {
    log.restore(index, term);
    state.applyFetch = null;
    state.pendingSnapshot = message.snapshot;
    // A sender may have taken it before changes that this replica has applied, of a log that it then lost to repair.
    if (configuration.version > state.configuration.version) {
      state.setConfiguration(configuration);
      noteRemoval(state);
    }
  } else {
    assert(
      index < log.truncatedIndex,
      `snapshot at ${index} of term ${term} conflicts with what is committed`,
    );
  }
  acknowledgeAppend(state, message.from, log.commit);
}
