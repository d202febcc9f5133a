/**
 * The shard map: which nodes there are, which shard owns a slot, which nodes hold its replicas. One immutable object
 * per version; a newer one replaces it whole, so that no reader sees a half.
 *
 * Invariants: node ids and shard ids are unique; slot ranges don't overlap; replica ids are unique within a shard and
 * stand on nodes that the map knows. Slots may be unowned (a cluster that is being born).
 */
import {
  assert,
  SLOT_COUNT,
  type ByteReader,
  type ByteWriter,
  type GroupId,
  type MapVersion,
  type NodeId,
  type ReplicaId,
  type Slot,
} from '../base/index.js';
import type { NodeAddresses } from '../base/index.js';

/** Order of the list is the number on disk and wire: only ever append. */
export const NODE_STATES = ['joining', 'up', 'draining', 'removed'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface NodeEntry {
  readonly id: NodeId;
  readonly addresses: NodeAddresses;
  /** Drawn once per data directory. */
  readonly instanceId: string;
  readonly state: NodeState;
}

export interface ReplicaEntry {
  readonly id: ReplicaId;
  readonly node: NodeId;
}

export interface ShardEntry {
  readonly id: GroupId;
  readonly firstSlot: Slot;
  /** Included. */
  readonly lastSlot: Slot;
  /** The preferred leader first. */
  readonly replicas: readonly ReplicaEntry[];
}

const FORMAT_VERSION = 2;
/** Its addresses had no `respMoved`. */
const FORMAT_VERSION_1 = 1;
const NO_SHARD = 0xffff;

export class ShardMap {
  /** Index into `shards` for each slot. */
  private readonly bySlot = new Uint16Array(SLOT_COUNT).fill(NO_SHARD);
  private readonly nodesById = new Map<NodeId, NodeEntry>();
  private readonly shardsById = new Map<GroupId, ShardEntry>();

  /** Throws `RangeError` when the parts contradict each other (see the invariants above). */
  constructor(
    /** Only grows; 0 for the map of a node that knows nothing yet. */
    readonly version: MapVersion,
    readonly nodes: readonly NodeEntry[],
    readonly shards: readonly ShardEntry[],
  ) {
    for (const node of nodes) {
      refuseIf(this.nodesById.has(node.id), `node ${node.id} is listed twice`);
      this.nodesById.set(node.id, node);
    }
    for (const [index, shard] of shards.entries()) this.addShard(index, shard);
  }

  /** The shard that owns the slot, or null. */
  shardOfSlot(slot: Slot): ShardEntry | null {
    return this.shards[this.bySlot[slot] as number] ?? null;
  }

  /** Its id, or -1. */
  shardIdOfSlot(slot: Slot): number {
    return this.shards[this.bySlot[slot] as number]?.id ?? -1;
  }

  shard(id: GroupId): ShardEntry | null {
    return this.shardsById.get(id) ?? null;
  }

  node(id: NodeId): NodeEntry | null {
    return this.nodesById.get(id) ?? null;
  }

  private addShard(index: number, shard: ShardEntry): void {
    const { id, firstSlot, lastSlot } = shard;
    refuseIf(this.shardsById.has(id), `shard ${id} is listed twice`);
    refuseIf(
      firstSlot < 0 || lastSlot < firstSlot || lastSlot >= SLOT_COUNT,
      `shard ${id} has slots ${firstSlot} to ${lastSlot}`,
    );
    for (let slot = firstSlot; slot <= lastSlot; slot++) {
      refuseIf(this.bySlot[slot] !== NO_SHARD, `slot ${slot} belongs to two shards`);
      this.bySlot[slot] = index;
    }
    const replicaIds = new Set<ReplicaId>();
    for (const replica of shard.replicas) {
      refuseIf(replicaIds.has(replica.id), `shard ${id} lists replica ${replica.id} twice`);
      refuseIf(
        !this.nodesById.has(replica.node),
        `shard ${id} has a replica on unknown node ${replica.node}`,
      );
      replicaIds.add(replica.id);
    }
    this.shardsById.set(id, shard);
  }
}

export const EMPTY_SHARD_MAP = new ShardMap(0, [], []);

/*
 * u8 format version | u64 map version
 * u32 count | (u32 id | u8 state | instance id | grpc | peer | resp | http | respMoved)…
 * u32 count | (u32 id | u16 firstSlot | u16 lastSlot | u16 count | (u64 replica id | u32 node)…)…
 * Strings: u16 length + UTF-8. Format 1, without respMoved, is still read.
 */
export function encodeShardMap(w: ByteWriter, map: ShardMap): void {
  w.u8(FORMAT_VERSION);
  w.u64(map.version);
  w.u32(map.nodes.length);
  for (const node of map.nodes) encodeNode(w, node);
  w.u32(map.shards.length);
  for (const shard of map.shards) encodeShard(w, shard);
}

/** Throws `ShortBytesError` or `RangeError` on malformed bytes. Reads its own bytes only: others may follow. */
export function decodeShardMap(reader: ByteReader): ShardMap {
  const format = reader.u8();
  refuseIf(format !== FORMAT_VERSION && format !== FORMAT_VERSION_1, `format version ${format} is unknown`);
  const version = reader.u64();
  // The lists grow as bytes are read, so that a lying count costs no memory.
  const nodes: NodeEntry[] = [];
  for (let left = reader.u32(); left > 0; left--) nodes.push(decodeNode(reader, format));
  const shards: ShardEntry[] = [];
  for (let left = reader.u32(); left > 0; left--) shards.push(decodeShard(reader));
  return new ShardMap(version, nodes, shards);
}

function encodeNode(w: ByteWriter, node: NodeEntry): void {
  const state = NODE_STATES.indexOf(node.state);
  assert(state >= 0, `node state ${node.state}`);
  w.u32(node.id);
  w.u8(state);
  w.string16(node.instanceId);
  w.string16(node.addresses.grpc);
  w.string16(node.addresses.peer);
  w.string16(node.addresses.resp);
  w.string16(node.addresses.http);
  w.string16(node.addresses.respMoved);
}

function decodeNode(reader: ByteReader, format: number): NodeEntry {
  const id = reader.u32();
  const stateNumber = reader.u8();
  const state = NODE_STATES[stateNumber];
  if (state === undefined) throw new RangeError(`shard map: node state ${stateNumber} is unknown`);
  const instanceId = reader.string16();
  const grpc = reader.string16();
  const peer = reader.string16();
  const resp = reader.string16();
  const http = reader.string16();
  const respMoved = format === FORMAT_VERSION_1 ? '' : reader.string16();
  return { id, addresses: { grpc, peer, resp, respMoved, http }, instanceId, state };
}

function encodeShard(w: ByteWriter, shard: ShardEntry): void {
  w.u32(shard.id);
  w.u16(shard.firstSlot);
  w.u16(shard.lastSlot);
  w.u16(shard.replicas.length);
  for (const replica of shard.replicas) {
    w.u64(replica.id);
    w.u32(replica.node);
  }
}

function decodeShard(reader: ByteReader): ShardEntry {
  const id = reader.u32();
  const firstSlot = reader.u16();
  const lastSlot = reader.u16();
  const replicas: ReplicaEntry[] = [];
  for (let left = reader.u16(); left > 0; left--) replicas.push({ id: reader.u64(), node: reader.u32() });
  return { id, firstSlot, lastSlot, replicas };
}

function refuseIf(condition: boolean, what: string): void {
  if (condition) throw new RangeError(`shard map: ${what}`);
}
