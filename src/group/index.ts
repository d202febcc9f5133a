/** Level 4: one replica of a group. replica.ts drives it; the other files each hold one of its concerns. */
export type { CheckpointLimits } from './checkpoint-policy.js';
export { FeedDesk, type FeedReader, type FeedReply, type FeedState } from './feed-desk.js';
export { createGroupMetrics, type GroupMetrics } from './group-metrics.js';
export type { Machine, MachineFigures } from './machine.js';
export { Replica, type ReplicaOptions } from './replica.js';
export type { ReplicaHost } from './replica-host.js';
export { Freshness, isForAnyReplica, staleBoundOf, staleReadOf } from './freshness.js';
export type { CommandSink } from './sink.js';
export { SnapshotReceiver, snapshotMessage, type SnapshotOffer } from './snapshot-receiver.js';
export type { StreamStatus } from './snapshot-streams.js';
export { SnapshotTraffic } from './snapshot-traffic.js';
