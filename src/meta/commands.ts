/**
 * What changes group 0's state. Each command is idempotent, so that a retry after an unknown outcome is harmless.
 *
 *   bootstrap: u8 1 | encoded state            (ignored once there is a cluster)
 *   upsertNode: u8 3 | instanceId | addresses  (a new instance gets the next node id; a known one new addresses)
 *               u8 2 | the same of version 1, without `respMoved`: no longer written, still applied
 *
 * Result: u8 0 (ran; 6: malformed, and nothing follows) | u32 node id (0 for bootstrap) | encoded state after the command.
 */
import { ByteReader, ByteWriter } from '../base/index.js';
import type { NodeAddresses } from '../base/index.js';
import {
  decodeAddresses,
  decodeAddressesV1,
  decodeMetaState,
  encodeAddresses,
  encodeMetaState,
  type MetaNode,
  type MetaState,
} from './state.js';

const Kind = { bootstrap: 1, upsertNodeV1: 2, upsertNode: 3 } as const;

export function encodeBootstrap(state: MetaState): Uint8Array {
  const w = new ByteWriter(1024);
  w.u8(Kind.bootstrap);
  w.bytes(encodeMetaState(state));
  return w.take();
}

export function encodeUpsertNode(instanceId: string, addresses: NodeAddresses): Uint8Array {
  const w = new ByteWriter(256);
  w.u8(Kind.upsertNode);
  w.string16(instanceId);
  encodeAddresses(w, addresses);
  return w.take();
}

export interface MetaOutcome {
  readonly state: MetaState;
  /** The node that the command was about; 0 when none. */
  readonly nodeId: number;
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
      return upsertNode(state, instanceId, decodeAddresses(r));
    }
    case Kind.upsertNodeV1: {
      const instanceId = r.string16();
      return upsertNode(state, instanceId, decodeAddressesV1(r));
    }
    default:
      throw new RangeError(`unknown meta command ${kind}`);
  }
}

function upsertNode(state: MetaState, instanceId: string, addresses: NodeAddresses): MetaOutcome {
  const known = state.nodes.find((node) => node.instanceId === instanceId);
  if (known !== undefined) {
    if (sameAddresses(known.addresses, addresses)) return { state, nodeId: known.id };
    const moved: MetaNode = { ...known, addresses };
    const nodes = state.nodes.map((node) => (node === known ? moved : node));
    return { state: { ...state, nodes, mapVersion: state.mapVersion + 1 }, nodeId: known.id };
  }
  const node: MetaNode = { id: state.nextNodeId, instanceId, addresses, state: 'up' };
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

export function sameAddresses(a: NodeAddresses, b: NodeAddresses): boolean {
  return (
    a.grpc === b.grpc &&
    a.peer === b.peer &&
    a.resp === b.resp &&
    a.respMoved === b.respMoved &&
    a.http === b.http
  );
}
