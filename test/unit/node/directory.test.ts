/** Who leads what as a node tells it: its own replicas first, hints behind them, itself only once it serves. */
import { beforeEach, expect, test } from 'vitest';
import { Directory, type DirectoryDeps } from '../../../src/node/directory.js';
import { ClusterView } from '../../../src/node/cluster-view.js';
import { makeState } from '../../support/loop-meta.js';
import { ManualTime } from '../api/resp/resp-world.js';

/** What the directory reads of a replica. */
interface FakeReplica {
  group: number;
  serves: boolean;
  leaderNode: number;
  raft: { term: number; role: string };
}

let time: ManualTime;
let view: ClusterView;
let replicas: Map<number, FakeReplica>;
let directory: Directory;

beforeEach(() => {
  time = new ManualTime();
  view = new ClusterView(makeState(3), () => undefined);
  replicas = new Map();
  const host = {
    replica: (group: number) => replicas.get(group) ?? null,
    all: () => replicas.values(),
  } as unknown as DirectoryDeps['host'];
  directory = new Directory({ nodeId: 1, host, view, timers: time });
});

function replica(leaderNode: number, term: number, serves = false): FakeReplica {
  const made = {
    group: 1,
    serves,
    leaderNode,
    raft: { term, role: leaderNode === 1 ? 'leader' : 'follower' },
  };
  replicas.set(1, made);
  return made;
}

test('map and cluster are those of the view, this node is itself', () => {
  expect(directory.nodeId).toBe(1);
  expect(directory.clusterId()).toBe('cluster-a');
  expect(directory.map()).toBe(view.map);
});

test('without a replica here the hint counts, unless it names this node', () => {
  expect(directory.leaderOf(1)).toBe(0);
  expect(directory.leaderTermOf(1)).toBe(0);
  view.hints.note(1, 5, 1, 3);
  expect(directory.leaderOf(1)).toBe(3);
  expect(directory.leaderTermOf(1)).toBe(5);
  view.hints.note(1, 6, 1, 1);
  expect(directory.leaderOf(1)).toBe(0);
  expect(directory.leaderTermOf(1)).toBe(0);
});

test('a leadership won here counts once the replica serves', () => {
  const own = replica(1, 7);
  view.hints.note(1, 7, 1, 1);
  expect(directory.leaderOf(1)).toBe(0);
  own.serves = true;
  expect(directory.leaderOf(1)).toBe(1);
  expect(directory.leaderTermOf(1)).toBe(7);
});

test('the leader that a replica here follows beats a hint; a hint of an earlier term is not told', () => {
  const own = replica(2, 7);
  view.hints.note(1, 6, 1, 3);
  expect(directory.leaderOf(1)).toBe(2);
  expect(directory.leaderTermOf(1)).toBe(7);
  own.leaderNode = 0; // an election of term 7 is on
  expect(directory.leaderOf(1)).toBe(0);
  view.hints.note(1, 7, 1, 3);
  expect(directory.leaderOf(1)).toBe(3);
  expect(directory.leaderTermOf(1)).toBe(7);
});

test('changes of one turn are told once, in the next', () => {
  let told = 0;
  directory.onChange(() => told++);
  directory.changed();
  directory.changed();
  expect(told).toBe(0);
  time.runTurn();
  expect(told).toBe(1);
  directory.changed();
  time.runTurn();
  expect(told).toBe(2);
});

test('a leadership won here is told again when it begins to serve', () => {
  let told = 0;
  directory.onChange(() => told++);
  const own = replica(1, 7);
  directory.changed();
  time.runTurn();
  expect(told).toBe(1);
  for (let i = 0; i < 5; i++) time.advance(10);
  time.runTurn();
  expect(told).toBe(1);
  own.serves = true;
  time.advance(10);
  time.runTurn();
  expect(told).toBe(2);
});

test('after the stop nothing is told', () => {
  let told = 0;
  directory.onChange(() => told++);
  replica(1, 7);
  directory.changed();
  directory.stop();
  time.runTurn();
  time.advance(10);
  directory.changed();
  time.runTurn();
  expect(told).toBe(0);
});
