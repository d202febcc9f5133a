/**
 * The cluster version in group 0's state (docs/decisions/0015-cluster-version.md): who may join at it, and whether it may
 * be raised. Decided when a command is applied, from what the log says of the nodes, so that a raise and a node's report
 * can't pass each other.
 */
import { describeVersions, knowsVersion, type ByteReader, type VersionRange } from '../base/index.js';
import type { MetaNode, MetaState } from './state.js';

/** u32 to */
export function readRaise(r: ByteReader): number {
  const to = r.u32();
  if (r.remaining > 0 || to === 0) throw new RangeError('malformed raise');
  return to;
}

/** Why a build that knows these versions can be no node of the cluster; null if it can. */
export function joinRefusal(
  state: MetaState,
  nodeId: number | null,
  address: string,
  versions: VersionRange,
): string | null {
  const { clusterVersion } = state;
  if (knowsVersion(versions, clusterVersion)) return null;
  const who = nodeId === null ? `the new node at ${address}` : `node ${nodeId} (${address})`;
  const next =
    versions.max < clusterVersion
      ? `start it with a build that knows ${clusterVersion}`
      : `the cluster must be upgraded to ${versions.min} first`;
  return `the cluster is at version ${clusterVersion}, and ${who} knows ${describeVersions(versions)}: ${next}`;
}

/** Why the version can't be raised so far; null if it can, or already is. */
export function raiseRefusal(state: MetaState, to: number): string | null {
  const { clusterVersion } = state;
  if (state.clusterId === '') return 'the cluster is being founded';
  if (to === clusterVersion) return null;
  if (to < clusterVersion) return `the cluster is at version ${clusterVersion}, which never goes back`;
  const without = nodesOf(state).filter(({ versions }) => !knowsVersion(versions, to));
  if (without.length === 0) return null;
  const names = without.map(
    ({ id, addresses, versions }) => `node ${id} (${addresses.grpc}) knows ${describeVersions(versions)}`,
  );
  return `version ${to} is not known to all nodes: ${names.join(', ')}. Upgrade them, then finish again`;
}

/** The newest version that any node knows: what an upgrade leads to. */
export function upgradeTarget(state: MetaState): number {
  return Math.max(state.clusterVersion, ...nodesOf(state).map(({ versions }) => versions.max));
}

function nodesOf(state: MetaState): readonly MetaNode[] {
  return state.nodes.filter((node) => node.state !== 'removed');
}
