/** Births and removals of replicas on one node: what is created, what is asked of group 0, what is deleted, and what is not. */
import { expect, test } from 'vitest';
import { NO_CONFIGURATION, type Configuration, type Message } from '../../../src/raft/index.js';
import type { Host } from '../../../src/host/index.js';
import type { Replica } from '../../../src/group/index.js';
import { EMPTY_META, firstMembers, type GroupMembers, type MetaState } from '../../../src/meta/index.js';
import { Lifecycle } from '../../../src/node/lifecycle.js';
import type { RecoveredGroup } from '../../../src/storage/index.js';
import { MemoryCheckpointStore, MemoryLogStore } from '../../support/loop-stores.js';
import { quietLogger } from '../../support/loop-world.js';
import { makeConfiguration, makeMessage } from '../../support/raft-builders.js';

const GROUP = 7;

interface FakeReplica {
  group: number;
  id: number;
  suspect: string | null;
  configuration: Configuration;
  raft: { role: string; status: () => { followers: { id: number; configurationVersion: number }[] } };
}

class LifecycleUnderTest {
  readonly store = new MemoryLogStore((run) => run());
  readonly checkpoints = new MemoryCheckpointStore((run) => run());
  /** What waits for the log to be durable; run at once unless a test holds it back. */
  readonly waiting: (() => void)[] = [];
  isDurable = true;
  readonly replicas = new Map<number, FakeReplica>();
  readonly reports: { group: number; members: GroupMembers }[] = [];
  readonly removed: number[] = [];
  readonly sent: { node: number; message: Message }[] = [];
  /** What group 0 answers; null: it can't be reached. */
  state: MetaState | null = null;
  nowMs = 0;
  readonly lifecycle: Lifecycle;

  /** `knownVersion`: of the group's configuration, as this node's copy of group 0's state has it. */
  constructor(public knownVersion = 1) {
    const host = {
      replica: (group: number) => this.replicas.get(group) ?? null,
      removeReplica: (group: number) => {
        this.removed.push(this.replicas.get(group)?.id ?? 0);
        this.replicas.delete(group);
      },
      sendTo: (node: number, _group: number, message: Message) => this.sent.push({ node, message }),
      whenDurable: (run: () => void) => void (this.isDurable ? run() : this.waiting.push(run)),
    };
    this.lifecycle = new Lifecycle({
      host: host as unknown as Host,
      store: this.store,
      checkpoints: this.checkpoints,
      clock: { monoMs: () => this.nowMs, wallMs: () => this.nowMs },
      logger: quietLogger,
      knownVersionOf: () => this.knownVersion,
      report: (group, members, done) => {
        this.reports.push({ group, members });
        done(this.state);
      },
      recover: (recovered, done) => {
        this.add(recovered);
        done();
      },
    });
  }

  add({
    group,
    replica,
    configuration,
    suspect,
  }: Pick<RecoveredGroup, 'group' | 'replica' | 'configuration' | 'suspect'>) {
    const fake: FakeReplica = {
      group,
      id: replica,
      suspect,
      configuration,
      raft: { role: 'follower', status: () => ({ followers: [] }) },
    };
    this.replicas.set(group, fake);
    this.store.createGroup(group, replica);
    return fake;
  }

  addMember(id: number, configuration: Configuration, suspect: string | null = null): FakeReplica {
    return this.add({ group: GROUP, replica: id, configuration, suspect });
  }

  idHere(): number | undefined {
    return this.replicas.get(GROUP)?.id;
  }

  /** `commit`: what a heartbeat tells. */
  hear(
    to: number,
    type: 'append' | 'heartbeat' | 'vote' = 'heartbeat',
    configurationVersion = 5,
    commit = 0,
  ): void {
    const told = type === 'heartbeat' ? { commit } : {};
    this.lifecycle.onUnknownReplica(
      GROUP,
      makeMessage(type, { to, configurationVersion, term: 7, ...told }),
      3,
    );
  }

  poll(): void {
    this.nowMs += 2000;
    this.lifecycle.poll(this.nowMs);
  }

  knows(members: GroupMembers): void {
    this.state = { ...EMPTY_META, shards: [{ id: GROUP, firstSlot: 0, lastSlot: 1, born: 1, ...members }] };
  }
}

const members = (configurationVersion: number, highestId: number, ids: readonly number[]): GroupMembers => ({
  configurationVersion,
  highestId,
  replicas: ids.map((replica) => ({ replica, node: replica, isLearner: false })),
});

function writeCheckpoint(checkpoints: MemoryCheckpointStore, group: number): void {
  let isRead = false;
  const next = (): Uint8Array | null => (isRead ? null : ((isRead = true), Uint8Array.of(1)));
  const meta = { group, index: 5, term: 1, configuration: NO_CONFIGURATION, timestampMs: 0, stateHash: '' };
  checkpoints.write(meta as never, { next, release: () => undefined }, () => undefined);
}

test('a replica that a leader speaks to, and that is not here, is created empty', () => {
  const node = new LifecycleUnderTest();
  node.hear(4, 'vote');
  expect(node.idHere()).toBeUndefined();
  node.hear(4);
  expect(node.replicas.get(GROUP)).toMatchObject({ id: 4, configuration: NO_CONFIGURATION, suspect: null });
});

test('E40 a replica that is told of its removal asks group 0, stays until that confirms it, and then goes for ever', () => {
  const node = new LifecycleUnderTest();
  const replica = node.addMember(2, makeConfiguration([1, 2, 3]));
  node.lifecycle.onRemoved(replica as unknown as Replica, 4);
  node.poll(); // group 0 can't be reached
  expect([node.idHere(), node.reports.length]).toEqual([2, 1]);
  node.knows(members(3, 4, [1, 3, 4])); // it knows less than the group said
  node.poll();
  expect(node.idHere()).toBe(2);
  node.knows(members(4, 4, [1, 3, 4]));
  node.poll();
  expect([node.idHere(), node.removed, node.store.tombstoneOf(GROUP)]).toEqual([undefined, [2], 2]);
});

test('E40 a replica that was removed while its node was down is found by group 0’s newer copy', () => {
  const node = new LifecycleUnderTest();
  node.addMember(4, makeConfiguration([1, 2, 3], { learners: [4] }));
  const state = (known: GroupMembers): MetaState => ({
    ...EMPTY_META,
    shards: [{ id: GROUP, firstSlot: 0, lastSlot: 1, born: 1, ...known }],
  });
  // As old as its own configuration, or from before its time: no reason to ask.
  node.lifecycle.onMap(state(members(1, 4, [1, 2, 3])));
  node.lifecycle.onMap(state(members(2, 3, [1, 2, 3])));
  node.poll();
  expect(node.reports).toEqual([]);
  const removed = members(2, 4, [1, 2, 3]);
  node.knows(removed);
  node.lifecycle.onMap(state(removed));
  node.poll();
  expect([node.idHere(), node.removed]).toEqual([undefined, [4]]);
});

test('E41 a late message does not bring a removed replica back', () => {
  const node = new LifecycleUnderTest();
  const replica = node.addMember(2, makeConfiguration([1, 2, 3]));
  node.knows(members(4, 4, [1, 3, 4]));
  node.lifecycle.onRemoved(replica as unknown as Replica, 4);
  node.poll();
  for (const id of [1, 2]) for (const type of ['append', 'heartbeat'] as const) node.hear(id, type);
  expect(node.idHere()).toBeUndefined();
  node.hear(5);
  expect(node.idHere()).toBe(5);
});

test('E112 a newcomer that somebody takes for removed keeps its data: group 0 does not know of its time yet', () => {
  const node = new LifecycleUnderTest();
  const replica = node.addMember(9, NO_CONFIGURATION);
  node.lifecycle.onRemoved(replica as unknown as Replica, 6);
  node.knows(members(6, 8, [1, 2, 3]));
  node.poll();
  expect([node.idHere(), node.removed]).toEqual([9, []]);
});

test('a removal that group 0 was not told of is not acted on, and is asked about again', () => {
  const node = new LifecycleUnderTest();
  const replica = node.addMember(2, makeConfiguration([1, 2, 3]));
  node.lifecycle.onRemoved(replica as unknown as Replica, 4);
  node.knows({ ...firstMembers([1, 2, 3].map((id) => ({ replica: id, node: id }))) });
  for (let i = 0; i < 3; i++) node.poll();
  expect([node.idHere(), node.reports.length]).toEqual([2, 3]);
  expect(node.reports.every(({ members: asked }) => asked.configurationVersion === 0)).toBe(true);
});

test('E42 a suspect replica gives way to one with a higher id, and only to such a one', () => {
  const node = new LifecycleUnderTest();
  node.addMember(2, makeConfiguration([1, 2, 3]), 'a gap in the log');
  node.hear(2);
  node.hear(3);
  expect(node.idHere()).toBe(2);
  node.hear(4);
  expect([node.idHere(), node.removed]).toEqual([4, [2]]);
});

test('E42 a suspect replica gives way to nobody that its own log names: the disk lost that one, too', () => {
  const node = new LifecycleUnderTest();
  const homes = [1, 2, 3, 4].map((id) => ({ replica: id, node: id === 4 ? 2 : id }));
  node.addMember(2, makeConfiguration([1, 2, 3], { learners: [4], highestId: 5, homes }), 'a gap in the log');
  node.hear(5);
  expect([node.idHere(), node.sent], 'one that was removed').toEqual([2, []]);
  node.hear(4);
  expect(node.idHere()).toBe(2);
  expect(node.sent).toEqual([
    { node: 3, message: expect.objectContaining({ type: 'suspect', from: 4, to: 2, term: 7 }) },
  ]);
  node.hear(6);
  expect([node.idHere(), node.removed]).toEqual([6, [2]]);
});

test('E42 nobody is born who acknowledged something before: its leader is asked for a successor', () => {
  const node = new LifecycleUnderTest();
  node.hear(4, 'heartbeat', 5, 1);
  node.hear(4, 'append');
  expect(node.idHere()).toBeUndefined();
  expect(node.sent.map(({ message: { type, from } }) => [type, from])).toEqual([['suspect', 4]]);
  const suspect = node.addMember(2, makeConfiguration([1, 2, 3]), 'a gap in the log');
  node.hear(4, 'heartbeat', 5, 1);
  expect([node.idHere(), node.sent.length]).toEqual([suspect.id, 2]);
});

test('E42 a suspect replica that forgot its own id gives way to nobody', () => {
  const node = new LifecycleUnderTest();
  node.addMember(0, NO_CONFIGURATION, 'the record of its replica id is missing or damaged');
  node.hear(2);
  expect(node.idHere()).toBe(0);
});

test('a healthy replica gives way to a later one only after group 0 confirmed that it was removed', () => {
  const node = new LifecycleUnderTest();
  node.addMember(2, makeConfiguration([1, 2, 3]));
  node.hear(5, 'append', 6);
  expect(node.idHere()).toBe(2);
  node.knows(members(6, 5, [1, 3, 5]));
  node.poll();
  expect(node.idHere()).toBeUndefined();
  node.hear(5, 'heartbeat', 6);
  expect(node.idHere()).toBe(5);
});

test('a leader reports its configuration once a majority of the voters has it', () => {
  const node = new LifecycleUnderTest(1);
  const configuration = makeConfiguration([1, 2, 3], { version: 4, learners: [5] });
  const replica = node.addMember(1, configuration);
  const followers = [
    { id: 2, configurationVersion: 3 },
    { id: 3, configurationVersion: 3 },
    { id: 5, configurationVersion: 4 },
  ];
  replica.raft = { role: 'leader', status: () => ({ followers }) };
  node.lifecycle.onConfiguration(replica as unknown as Replica);
  node.poll();
  expect(node.reports).toEqual([]);
  followers[0] = { id: 2, configurationVersion: 4 };
  node.poll();
  expect(node.reports).toHaveLength(1);
  expect(node.reports[0]?.members).toEqual({
    configurationVersion: 4,
    highestId: 5,
    replicas: [1, 2, 3, 5].map((id) => ({ replica: id, node: id, isLearner: id === 5 })),
  });
});

test('E84 a removed replica’s checkpoints go, once its tombstone is durable and not before; other groups keep theirs', () => {
  const node = new LifecycleUnderTest();
  const replica = node.addMember(2, makeConfiguration([1, 2, 3]));
  for (const group of [GROUP, GROUP + 1]) writeCheckpoint(node.checkpoints, group);
  node.knows(members(4, 4, [1, 3, 4]));
  node.lifecycle.onRemoved(replica as unknown as Replica, 4);
  node.isDurable = false;
  node.poll();
  expect([node.idHere(), node.store.tombstoneOf(GROUP)]).toEqual([undefined, 2]);
  expect(node.checkpoints.files.size).toBe(2);
  for (const run of node.waiting) run();
  expect([...node.checkpoints.files.keys()].map((key) => Number.parseInt(key))).toEqual([GROUP + 1]);
  // Nor does anything ask about it any more.
  const asked = node.reports.length;
  for (let i = 0; i < 3; i++) node.poll();
  expect(node.reports.length).toBe(asked);
});

test('E119 a report that is lost is made again until group 0 knows the change; a later leader makes it, too', () => {
  const configuration = makeConfiguration([1, 2, 3], { version: 4, learners: [5] });
  const nodes = [new LifecycleUnderTest(3), new LifecycleUnderTest(3)];
  const lead = (node: LifecycleUnderTest): FakeReplica => {
    const replica = node.addMember(1, configuration);
    const followers = [2, 3].map((id) => ({ id, configurationVersion: 4 }));
    replica.raft = { role: 'leader', status: () => ({ followers }) };
    node.lifecycle.onConfiguration(replica as unknown as Replica);
    return replica;
  };
  const [first, second] = nodes as [LifecycleUnderTest, LifecycleUnderTest];
  const old = lead(first);
  for (let i = 0; i < 3; i++) first.poll(); // group 0 answers none of them
  expect(first.reports.map((report) => report.members.configurationVersion)).toEqual([4, 4, 4]);
  old.raft = { role: 'follower', status: () => ({ followers: [] }) };
  first.poll();
  expect(first.reports).toHaveLength(3);
  lead(second);
  second.poll();
  second.poll();
  expect(second.reports).toHaveLength(2);
  second.knownVersion = 4; // it came through, and group 0's new state came here
  for (let i = 0; i < 3; i++) second.poll();
  expect(second.reports).toHaveLength(2);
});
