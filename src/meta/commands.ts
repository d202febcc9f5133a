/**
 * What changes group 0's state. Each command is idempotent, so that a retry after an unknown outcome is harmless.
 *
 *   bootstrap: u8 1 | encoded state            (ignored once there is a cluster)
 *   upsertNode: u8 7 | instanceId | addresses | versions
 *                                              (a new instance gets the next node id, a known one what is new; refused
 *                                               when its build does not know the cluster's version)
 *
 *   report: u8 4 | u32 group | members          (a group's configuration: kept when its version is higher)
 *
 *   set:    u8 5 | name | value                 (a setting of the cluster; an empty value: its default)
 *   shares: u8 6 | u64 map version | u32 count | (u32 group | u64 bytes | u64 items)…
 *                                               (the shards' shares of memory; nothing when the map has moved since)
 *   raise:  u8 8 | u32 to                       (the cluster version, if every node knows that one: upgrade.ts)
 *
 * Numbers 2 and 3 were those of earlier layouts of upsertNode.
 * Result: u8 0 | u32 node id (0 where none is meant) | encoded state after the command
 *         u8 6  malformed, and nothing changed
 *         u8 7 | u8 reason | string16 message | u32 0     refused, and nothing changed (as a shard's result `failed`)
 */
import {
  ByteReader,
  ByteWriter,
  META_GROUP,
  type GroupId,
  type MapVersion,
  type VersionRange,
} from '../base/index.js';
import type { NodeAddresses } from '../base/index.js';
import {
  encodeSettingOperands,
  encodeSharesOperands,
  withSetting,
  withShares,
  type NewShare,
} from './memory.js';
import {
  decodeAddresses,
  decodeMembers,
  decodeMetaState,
  decodeVersions,
  encodeAddresses,
  encodeMembers,
  encodeMetaState,
  encodeVersions,
  type GroupMembers,
  type MetaNode,
  type MetaState,
} from './state.js';
import { joinRefusal, readRaise, raiseRefusal } from './upgrade.js';

const Kind = { bootstrap: 1, report: 4, set: 5, shares: 6, upsertNode: 7, raise: 8 } as const;

export function encodeBootstrap(state: MetaState): Uint8Array {
  const w = new ByteWriter(1024);
  w.u8(Kind.bootstrap);
  w.bytes(encodeMetaState(state));
  return w.take();
}

export function encodeUpsertNode(
  instanceId: string,
  addresses: NodeAddresses,
  versions: VersionRange,
): Uint8Array {
  const w = new ByteWriter(256);
  w.u8(Kind.upsertNode);
  w.string16(instanceId);
  encodeAddresses(w, addresses);
  encodeVersions(w, versions);
  return w.take();
}

export function encodeRaise(to: number): Uint8Array {
  const w = new ByteWriter(8);
  w.u8(Kind.raise);
  w.u32(to);
  return w.take();
}

/** A report that changes nothing: what asks for the state, linearizably. */
export const META_NOTHING: GroupMembers = { configurationVersion: 0, highestId: 0, replicas: [] };

/** A leader's word on its group's configuration. With version 0 it changes nothing: a linearizable look at the state. */
export function encodeReport(group: GroupId, members: GroupMembers): Uint8Array {
  const w = new ByteWriter(256);
  w.u8(Kind.report);
  w.u32(group);
  encodeMembers(w, members);
  return w.take();
}

export function encodeSetting(name: string, value: string): Uint8Array {
  const w = new ByteWriter(128);
  w.u8(Kind.set);
  encodeSettingOperands(w, name, value);
  return w.take();
}

/** `seen`: the map version that they were computed from. */
export function encodeShares(seen: MapVersion, shares: readonly NewShare[]): Uint8Array {
  const w = new ByteWriter(1024);
  w.u8(Kind.shares);
  encodeSharesOperands(w, seen, shares);
  return w.take();
}

export interface MetaOutcome {
  readonly state: MetaState;
  /** The node that the command was about; 0 when none. */
  readonly nodeId: number;
  /** Why it changed nothing, in words; absent when it ran. */
  readonly refusal?: string;
}

/** Pure: the state after one command. A malformed command throws before anything changed. */
export function applyMetaCommand(state: MetaState, bytes: Uint8Array): MetaOutcome {
  const r = new ByteReader(bytes);
  const kind = r.u8();
  switch (kind) {
    case Kind.bootstrap: {
      const first = decodeMetaState(r.bytes(r.remaining));
      return { state: state.clusterId === '' ? first : state, nodeId: 0 };
    }
    case Kind.upsertNode: {
      const instanceId = r.string16();
      return upsertNode(state, instanceId, decodeAddresses(r), decodeVersions(r));
    }
    case Kind.raise: {
      const to = readRaise(r);
      const refusal = raiseRefusal(state, to);
      if (refusal !== null) return { state, nodeId: 0, refusal };
      if (to === state.clusterVersion) return { state, nodeId: 0 };
      return { state: { ...state, clusterVersion: to, mapVersion: state.mapVersion + 1 }, nodeId: 0 };
    }
    case Kind.report: {
      const group = r.u32();
      return { state: report(state, group, decodeMembers(r)), nodeId: 0 };
    }
    case Kind.set: {
      const settings = withSetting(state.settings, r);
      if (settings === state.settings) return { state, nodeId: 0 };
      return { state: { ...state, settings, mapVersion: state.mapVersion + 1 }, nodeId: 0 };
    }
    case Kind.shares: {
      const shares = withShares(state, new Set(state.shards.map(({ id }) => id)), r);
      if (shares === state.shares) return { state, nodeId: 0 };
      return { state: { ...state, shares, mapVersion: state.mapVersion + 1 }, nodeId: 0 };
    }
    default:
      throw new RangeError(`unknown meta command ${kind}`);
  }
}

function upsertNode(
  state: MetaState,
  instanceId: string,
  addresses: NodeAddresses,
  versions: VersionRange,
): MetaOutcome {
  const known = state.nodes.find((node) => node.instanceId === instanceId);
  const refusal = joinRefusal(state, known?.id ?? null, addresses.grpc, versions);
  if (refusal !== null) return { state, nodeId: 0, refusal };
  if (known !== undefined) {
    if (isAsReported(known, addresses, versions)) return { state, nodeId: known.id };
    const moved: MetaNode = { ...known, addresses, versions };
    const nodes = state.nodes.map((node) => (node === known ? moved : node));
    return { state: { ...state, nodes, mapVersion: state.mapVersion + 1 }, nodeId: known.id };
  }
  const node: MetaNode = { id: state.nextNodeId, instanceId, addresses, state: 'up', versions };
  return {
    state: {
      ...state,
      nextNodeId: state.nextNodeId + 1,
      mapVersion: state.mapVersion + 1,
      nodes: [...state.nodes, node],
    },
    nodeId: node.id,
  };
}

function report(state: MetaState, group: GroupId, members: GroupMembers): MetaState {
  const known = membersOf(state, group);
  if (known === null || members.configurationVersion <= known.configurationVersion) return state;
  const next = inFormerOrder(known, members);
  const mapVersion = state.mapVersion + 1;
  if (group === META_GROUP) return { ...state, mapVersion, metaGroup: next };
  const shards = state.shards.map((shard) => (shard.id === group ? { ...shard, ...next } : shard));
  return { ...state, mapVersion, shards };
}

/** Null for a group that nobody created. */
export function membersOf(state: MetaState, group: GroupId): GroupMembers | null {
  if (group === META_GROUP) return state.metaGroup;
  return state.shards.find((shard) => shard.id === group) ?? null;
}

/** The first replica is where the leader belongs: whoever replaces one on its node takes its place in the order. */
function inFormerOrder(known: GroupMembers, members: GroupMembers): GroupMembers {
  const placeOf = (node: number): number => {
    const at = known.replicas.findIndex((replica) => replica.node === node);
    return at < 0 ? known.replicas.length : at;
  };
  const replicas = [...members.replicas].sort(
    (a, b) => placeOf(a.node) - placeOf(b.node) || a.replica - b.replica,
  );
  return { ...members, replicas };
}

/** Whether group 0 knows of the node what it says of itself. */
export function isAsReported(node: MetaNode, addresses: NodeAddresses, versions: VersionRange): boolean {
  return (
    sameAddresses(node.addresses, addresses) &&
    node.versions.min === versions.min &&
    node.versions.max === versions.max
  );
}

export function sameAddresses(a: NodeAddresses, b: NodeAddresses): boolean {
  return (
    a.grpc === b.grpc &&
    a.peer === b.peer &&
    a.resp === b.resp &&
    a.respMoved === b.respMoved &&
    a.http === b.http
  );
}
