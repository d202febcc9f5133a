import { expect, test } from 'vitest';
import { KNOWN_VERSIONS } from '../../../src/base/index.js';
import {
  applyMetaCommand,
  decodeMetaState,
  EMPTY_META,
  encodeBootstrap,
  encodeMetaState,
  encodeUpsertNode,
  type MetaState,
} from '../../../src/meta/index.js';
import { makeAddresses, makeState } from '../../support/loop-meta.js';

function upsert(state: MetaState, instanceId: string, i: number): { state: MetaState; nodeId: number } {
  return applyMetaCommand(state, encodeUpsertNode(instanceId, makeAddresses(i), KNOWN_VERSIONS));
}

test('E118 bootstrap takes effect once: a later one changes nothing', () => {
  const first = makeState(3);
  const { state } = applyMetaCommand(EMPTY_META, encodeBootstrap(first));
  expect(state).toEqual(first);
  expect(applyMetaCommand(state, encodeBootstrap(first)).state).toBe(state);
  expect(applyMetaCommand(state, encodeBootstrap(makeState(5, 8, 3, 'cluster-b'))).state).toBe(state);
});

test('E118 a new instance gets the next node id; asking again gives the same one', () => {
  const state = makeState(3);
  const joined = upsert(state, 'new', 9);
  expect(joined.nodeId).toBe(4);
  expect(joined.state.mapVersion).toBe(state.mapVersion + 1);
  expect(joined.state.nextNodeId).toBe(5);
  const again = upsert(joined.state, 'new', 9);
  expect(again.nodeId).toBe(4);
  expect(again.state).toBe(joined.state);
});

test('an instance that the cluster was founded with keeps its id', () => {
  const state = makeState(3);
  expect(upsert(state, 'instance-2', 2)).toEqual({ state, nodeId: 2 });
});

test('new addresses of a known instance grow the map version and keep its id', () => {
  const state = makeState(3);
  const moved = upsert(state, 'instance-2', 12);
  expect(moved.nodeId).toBe(2);
  expect(moved.state.mapVersion).toBe(state.mapVersion + 1);
  expect(moved.state.nodes.map((node) => node.id)).toEqual([1, 2, 3]);
  expect(moved.state.nodes[1]?.addresses).toEqual(makeAddresses(12));
  expect(moved.state.nextNodeId).toBe(state.nextNodeId);
  expect(state.nodes[1]?.addresses).toEqual(makeAddresses(2));
});

test('node ids are never used twice', () => {
  let state = makeState(1);
  const ids = new Set(state.nodes.map((node) => node.id));
  for (let i = 0; i < 50; i++) {
    const outcome = upsert(state, `n${i}`, 20 + i);
    expect(ids.has(outcome.nodeId)).toBe(false);
    ids.add(outcome.nodeId);
    state = outcome.state;
  }
});

test.each([1, 2, 3, 5])('a state of %i nodes survives encoding', (nodes) => {
  const state = makeState(nodes, 16);
  expect(decodeMetaState(encodeMetaState(state))).toEqual(state);
});

test('a state cut short anywhere is refused', () => {
  const bytes = encodeMetaState(makeState(3));
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeMetaState(bytes.slice(0, length)), `first ${length} bytes`).toThrow();
  }
});

test('an unknown layout and an absurd count are refused', () => {
  const bytes = encodeMetaState(makeState(3));
  const version = bytes.slice();
  version[0] = 9;
  expect(() => decodeMetaState(version)).toThrow('layout 9');
  const count = bytes.slice();
  const nodesAt = 1 + 2 + 'cluster-a'.length + 4 + 8 + 4 + 4;
  count.fill(0xff, nodesAt, nodesAt + 4);
  expect(() => decodeMetaState(count)).toThrow();
});

test('a malformed command throws before anything changed', () => {
  const state = makeState(3);
  const before = structuredClone(state);
  const whole = encodeUpsertNode('x', makeAddresses(4), KNOWN_VERSIONS);
  for (let length = 0; length < whole.length; length++) {
    expect(() => applyMetaCommand(state, whole.slice(0, length)), `first ${length} bytes`).toThrow();
  }
  expect(() => applyMetaCommand(state, new Uint8Array([77]))).toThrow('unknown meta command 77');
  expect(state).toEqual(before);
});
