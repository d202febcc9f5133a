/** Level 1: slots, the shard map, the ring and first placement, leader hints. Pure functions and values. */
export { crc16 } from './crc16.js';
export { planFirstPlacement } from './first-placement.js';
export { LeaderHints, type LeaderHint } from './leader-hints.js';
export { buildRing, placeReplicas, ringOrder, VIRTUAL_NODES, type Ring, type RingNode } from './ring.js';
export {
  decodeShardMap,
  EMPTY_SHARD_MAP,
  encodeShardMap,
  NODE_STATES,
  ShardMap,
  type NodeEntry,
  type NodeState,
  type ReplicaEntry,
  type ShardEntry,
} from './shard-map.js';
export { slotOfKey, slotRanges, type SlotRange } from './slots.js';
