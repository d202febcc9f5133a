/**
 * The cluster version of one shard: what its log may hold (docs/decisions/0015-cluster-version.md). `raiseVersion`, which
 * only a leader makes, moves it, at one index for all replicas; from that entry on the meanings of that version are in
 * force. A build that does not know it stops before it applies the entry, and so never applies what comes after.
 */
import { knowsVersion, UnknownVersionError, type ByteWriter } from '../base/index.js';
import { beginCommand, Op } from './command.js';
import { expectEnd } from './operands.js';
import { putInt } from './result.js';
import type { Run } from './run.js';

export function encodeRaiseVersion(w: ByteWriter, clusterVersion: number): void {
  beginCommand(w, Op.raiseVersion);
  w.u32(clusterVersion);
}

/** The result is the version in force. A late or repeated one changes nothing. Throws `UnknownVersionError`. */
export function runRaiseVersion(run: Run): void {
  const { reader, state, versions } = run;
  const to = reader.u32();
  expectEnd(reader);
  if (to > state.clusterVersion) {
    if (!knowsVersion(versions, to)) throw new UnknownVersionError('the log of a shard', to, versions);
    state.clusterVersion = to;
  }
  putInt(run.out, state.clusterVersion);
}
