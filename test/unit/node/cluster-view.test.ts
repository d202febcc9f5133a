import { expect, test } from 'vitest';
import { KNOWN_VERSIONS, META_GROUP } from '../../../src/base/index.js';
import { applyMetaCommand, encodeUpsertNode, type MetaState } from '../../../src/meta/index.js';
import { ClusterView } from '../../../src/node/cluster-view.js';
import { makeAddresses, makeState } from '../../support/loop-meta.js';

function viewOf(state: MetaState): { view: ClusterView; changes: number[] } {
  const changes: number[] = [];
  return { view: new ClusterView(state, (next) => changes.push(next.mapVersion)), changes };
}

function withNode(state: MetaState, i: number): MetaState {
  return applyMetaCommand(state, encodeUpsertNode(`late-${i}`, makeAddresses(i), KNOWN_VERSIONS)).state;
}

test('shows shards, replicas and where they stand', () => {
  const state = makeState(3, 4);
  const { view } = viewOf(state);
  expect(view.version).toBe(1);
  for (const shard of state.shards) {
    expect(view.map.shardIdOfSlot(shard.firstSlot)).toBe(shard.id);
    expect(view.map.shardIdOfSlot(shard.lastSlot)).toBe(shard.id);
    expect(view.replicasOf(shard.id)).toEqual(shard.replicas);
    for (const { replica, node } of shard.replicas) expect(view.nodeOf(shard.id, replica)).toBe(node);
    expect(view.preferredLeader(shard.id)).toBe(shard.replicas[0]?.replica);
  }
  expect(view.replicasOf(META_GROUP)).toEqual(state.metaGroup.replicas);
  expect(view.nodeOf(META_GROUP, 1)).toBe(1);
});

test('what it does not know is 0 or empty', () => {
  const { view } = viewOf(makeState(1, 1));
  expect([view.nodeOf(1, 9), view.nodeOf(77, 1), view.preferredLeader(77)]).toEqual([0, 0, 0]);
  expect(view.replicasOf(77)).toEqual([]);
});

test('a newer map replaces the old one whole, and is told once', () => {
  const state = makeState(3);
  const { view, changes } = viewOf(state);
  const newer = withNode(state, 9);
  expect(view.update(newer)).toBe(true);
  expect(view.map.node(4)?.addresses.grpc).toBe('127.0.0.1:7609');
  expect(view.update(newer)).toBe(false);
  expect(changes).toEqual([2]);
});

test('E83 a lower version never replaces a higher one', () => {
  const state = makeState(3);
  const { view, changes } = viewOf(withNode(withNode(state, 9), 10));
  expect(view.update(withNode(state, 9))).toBe(false);
  expect(view.update(state)).toBe(false);
  expect(view.state.nodes).toHaveLength(5);
  expect(changes).toEqual([]);
});

test('E48 a map of another cluster is ignored, however new', () => {
  const { view } = viewOf(makeState(3));
  const foreign = { ...makeState(5, 4, 3, 'cluster-b'), mapVersion: 99 };
  expect(view.update(foreign)).toBe(false);
  expect(view.state.clusterId).toBe('cluster-a');
});
