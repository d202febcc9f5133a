/** Quiet groups on real hosts: they say nothing, wake when they must, and stay quiet otherwise (docs/decisions/0006). */
import { expect, test } from 'vitest';
import { decodeRaftFrame, RaftFrameWriter } from '../../../src/codec/index.js';
import type { Message } from '../../../src/raft/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ELECTION_MS, TestHosts, TICK_MS, type TestNode } from '../../support/loop-hosts.js';
import { makeMessage } from '../../support/raft-builders.js';

const GROUPS = 64;

function makeHosts(groups: number, remember = false): TestHosts {
  const hosts = new TestHosts(3, { remember });
  for (let group = 1; group <= groups; group++) hosts.addGroup(group);
  return hosts.start();
}

function groupsOf(groups: number): number[] {
  return Array.from({ length: groups }, (_, i) => i + 1);
}

function isQuiet(hosts: TestHosts, groups: number, nodes = hosts.nodes): boolean {
  return groupsOf(groups).every((group) => nodes.every((node) => node.replica(group).raft.quiesced));
}

function makeQuiet(groups: number, remember = false): TestHosts {
  const hosts = makeHosts(groups, remember);
  hosts.world.until(() => isQuiet(hosts, groups), 'all groups are quiet');
  hosts.peers.frames.length = 0;
  return hosts;
}

function ledBy(hosts: TestHosts, node: TestNode, groups: number): number[] {
  return groupsOf(groups).filter((group) => hosts.node(node.id).replica(group).serves);
}

function messagesOf(frame: Uint8Array): string[] {
  const types: string[] = [];
  decodeRaftFrame(frame, {
    onHeader: () => undefined,
    onMessage: (_group, message) => types.push(message.type),
  });
  return types;
}

function write(node: TestNode, group: number, sink: RecordingSink, ttlMs = 0): void {
  const command = setCommand('a', String(group), ttlMs);
  node.replica(group).submitWrite(command, 0, command.length, false, sink, group);
}

test('E85 quiet groups send nothing of their own, and their number costs nothing', () => {
  const costs = [4, GROUPS].map((groups) => {
    const hosts = makeQuiet(groups, true);
    const terms = groupsOf(groups).map((group) => hosts.node(1).replica(group).raft.term);
    const before = hosts.world.loop.eventsRun;
    hosts.world.run(10_000);
    const raft = hosts.peers.frames.filter((frame) => frame.channel === 'raft');
    expect(raft.flatMap((frame) => messagesOf(frame.bytes))).toEqual([]);
    // Six directions, a heartbeat every two ticks.
    expect(raft.length).toBe((6 * 10_000) / (2 * TICK_MS));
    expect(groupsOf(groups).map((group) => hosts.node(1).replica(group).raft.term)).toEqual(terms);
    for (const node of hosts.nodes) {
      const gauge = node.metrics.list().find((family) => family.name === 'raft_quiesced_groups');
      expect(gauge?.read?.()).toEqual([{ labels: {}, value: groups }]);
    }
    return hosts.world.loop.eventsRun - before;
  });
  expect(costs[1]).toBe(costs[0]);
});

test('a write and a read of a quiet group are answered at once; then it is quiet again', () => {
  const hosts = makeQuiet(3);
  const leader = hosts.leader(1);
  const sink = new RecordingSink();
  write(leader, 1, sink);
  const command = getCommand('a');
  hosts.world.run(TICK_MS);
  leader.replica(1).submitRead(command, 0, command.length, sink, 2);
  hosts.world.run(TICK_MS);
  expect(sink.lines).toEqual(['1: ok', '2: "1"']);
  // The others slept on.
  expect(hosts.nodes.every((node) => node.replica(2).raft.quiesced && node.replica(3).raft.quiesced)).toBe(
    true,
  );
  hosts.world.until(() => isQuiet(hosts, 3), 'quiet again');
  expect(hosts.agree(1)).toBe(true);
});

test('E111 a dead node: its groups are led again within 5 s, all groups serve, and all are quiet again', () => {
  const hosts = makeQuiet(GROUPS);
  const dead = hosts.leader(1);
  const others = hosts.nodes.filter((node) => node !== dead);
  const orphans = ledBy(hosts, dead, GROUPS);
  const spared = groupsOf(GROUPS).filter((group) => !orphans.includes(group));
  const terms = (): number[] =>
    spared.map((group) => Math.max(...others.map((node) => node.replica(group).raft.term)));
  const before = terms();
  dead.host.halt();
  hosts.peers.isolate(dead.id);
  // Detection, one time-out drawn at random, and for some a second one: both campaigned.
  const isLed = (group: number): boolean => others.some((node) => node.replica(group).serves);
  hosts.world.until(() => orphans.every(isLed), 'every group is led', 5000);
  hosts.world.until(() => isQuiet(hosts, GROUPS, others), 'quiet without the dead', 5000);
  expect(terms()).toEqual(before);
  const sink = new RecordingSink();
  for (const group of groupsOf(GROUPS)) write(hosts.leader(group, dead.id), group, sink);
  hosts.world.until(() => sink.lines.length === GROUPS, 'all answered', 1000);
  expect(sink.lines.every((line) => line.endsWith(': ok'))).toBe(true);
  hosts.world.until(() => isQuiet(hosts, GROUPS, others), 'quiet again', 5000);
  const quietBefore = others.map((node) => node.count('raft_quiesces_total'));
  hosts.world.run(20_000);
  expect(others.map((node) => node.count('raft_quiesces_total'))).toEqual(quietBefore);
});

test('E111 a follower’s node that was cut off is caught up when it is heard again, without an election', () => {
  const hosts = makeQuiet(8);
  const leader = hosts.leader(1);
  const away = hosts.node((leader.id % 3) + 1);
  const rest = hosts.nodes.filter((node) => node !== away);
  hosts.peers.isolate(away.id);
  hosts.world.run(1000);
  const sink = new RecordingSink();
  write(leader, 1, sink);
  hosts.world.until(() => isQuiet(hosts, 8, rest), 'quiet without it');
  const terms = (): number[] =>
    groupsOf(8).map((group) => hosts.leader(group, away.id).replica(group).raft.term);
  const before = terms();
  hosts.peers.healAll();
  hosts.world.until(() => hosts.agree(1), 'caught up', 1000);
  hosts.world.until(() => isQuiet(hosts, 8), 'all quiet', 5000);
  expect(terms()).toEqual(before);
});

test('E111 the leader’s node restarts within a heartbeat: its boot number wakes those that follow it', () => {
  const hosts = makeQuiet(GROUPS);
  const old = hosts.leader(1);
  const orphans = ledBy(hosts, old, GROUPS);
  const others = hosts.nodes.filter((node) => node !== old);
  // The new life has not loaded its groups yet: it says no more than that it lives.
  old.host.halt();
  const writer = new RaftFrameWriter();
  const heartbeat = (): void => {
    for (const node of others) {
      writer.begin({ node: old.id, bootNumber: 2, wallMs: node.clock.wallMs(), mapVersion: 1 });
      node.host.onRaftFrame(old.id, writer.finish());
    }
    hosts.world.timers.after(2 * TICK_MS, heartbeat);
  };
  heartbeat();
  const isLed = (group: number): boolean => others.some((node) => node.replica(group).serves);
  hosts.world.until(() => orphans.every(isLed), 'every group is led', 5000);
  // Of the groups led elsewhere all awoke, and none changed its leader.
  hosts.world.until(() => isQuiet(hosts, GROUPS, others), 'quiet again', 10_000);
});

test('E111 a leader’s replica that stops alone: the others elect a new leader, its node’s other groups sleep on', () => {
  const hosts = makeQuiet(GROUPS);
  const leader = hosts.leader(1);
  const others = hosts.nodes.filter((node) => node !== leader);
  const before = groupsOf(GROUPS).map((group) => leader.replica(group).raft.term);
  leader.replica(1).stop();
  leader.host.onSilent(leader.replica(1));
  hosts.world.until(() => others.some((node) => node.replica(1).serves), 'led again', 3 * ELECTION_MS);
  expect(
    groupsOf(GROUPS)
      .slice(1)
      .every((group) => hosts.nodes.every((node) => node.replica(group).raft.quiesced)),
  ).toBe(true);
  expect(leader.replica(1).leaderNode).toBe(0);
  const sink = new RecordingSink();
  write(hosts.leader(1, leader.id), 1, sink);
  hosts.world.until(() => sink.lines.length === 1, 'answered');
  expect(sink.lines).toEqual(['1: ok']);
  // The stopped one is mute on a node that lives: after a while it holds nobody awake.
  hosts.world.until(() => others.every((node) => node.replica(1).raft.quiesced), 'quiet again');
  expect(
    groupsOf(GROUPS)
      .slice(1)
      .map((group) => leader.replica(group).raft.term),
  ).toEqual(before.slice(1));
});

test('an offer that was overtaken by the end of its leadership puts nobody to sleep', () => {
  const hosts = makeHosts(1);
  const leader = hosts.leader(1);
  const follower = hosts.node((leader.id % 3) + 1);
  hosts.world.until(() => follower.replica(1).appliedIndex === leader.replica(1).raft.lastIndex, 'caught up');
  const { term, commit } = leader.replica(1).raft;
  const frame = (bootNumber: number, endings: number, message?: Message): void => {
    const writer = new RaftFrameWriter();
    const wallMs = follower.clock.wallMs();
    const header = { node: leader.id, bootNumber, wallMs, mapVersion: 1 };
    writer.begin(endings === 0 ? header : { ...header, endings: { number: endings, groups: [1] } });
    if (message !== undefined) writer.add(1, message);
    follower.host.onRaftFrame(leader.id, writer.finish());
  };
  const ids = { from: leader.id, to: follower.id };
  const offer = makeMessage('heartbeat', { ...ids, term, commit, quiesce: true });
  frame(1, 1);
  frame(1, 0, offer);
  hosts.world.run(2);
  expect(follower.replica(1).raft.quiesced).toBe(false);
  expect(follower.count('raft_messages_dropped_total', { reason: 'old_offer' })).toBe(1);
  frame(1, 1, offer);
  hosts.world.run(0.5);
  expect(follower.replica(1).raft.quiesced).toBe(true);
  // The same from an earlier life, in the turn in which the later one is heard of.
  frame(1, 1, offer);
  frame(2, 0);
  hosts.world.run(0.5);
  expect(follower.replica(1).raft.quiesced).toBe(false);
});

test('E85 a quiet group with items that fall due wakes at most once a minute, and drops them then', () => {
  const hosts = makeHosts(1);
  const leader = hosts.leader(1);
  const sink = new RecordingSink();
  write(leader, 1, sink, 30_000);
  hosts.world.until(() => isQuiet(hosts, 1), 'quiet');
  const before = leader.count('raft_quiesces_total');
  hosts.world.run(100_000);
  expect(leader.machines.get(1)?.itemCount).toBe(0);
  expect(leader.count('raft_quiesces_total') - before).toBe(1);
  expect(isQuiet(hosts, 1)).toBe(true);
});

test('an item that is due within a second is waited for', () => {
  const hosts = makeHosts(1);
  const leader = hosts.leader(1);
  hosts.world.until(() => isQuiet(hosts, 1), 'quiet');
  write(leader, 1, new RecordingSink(), 800);
  hosts.world.run(900);
  expect(leader.machines.get(1)?.itemCount).toBe(0);
});

test('a node that stood still lets its leaders be heard before the others have elected new ones', () => {
  const hosts = makeQuiet(8, true);
  const stalled = hosts.leader(1);
  const led = ledBy(hosts, stalled, 8);
  const terms = led.map((group) => stalled.replica(group).raft.term);
  // Its clock runs on, its timers don't: a turn after the stall is the first thing that happens.
  hosts.peers.frames.length = 0;
  const { clock } = stalled;
  const stallMs = 4.1 * ELECTION_MS;
  const monoMs = clock.monoMs.bind(clock);
  clock.monoMs = () => monoMs() + stallMs;
  hosts.world.run(3 * TICK_MS);
  const heartbeats = hosts.peers.frames.filter(
    (frame) => frame.from === stalled.id && messagesOf(frame.bytes).includes('heartbeat'),
  );
  expect(heartbeats.length).toBeGreaterThan(0);
  hosts.world.until(() => isQuiet(hosts, 8), 'quiet again');
  expect(led.map((group) => stalled.replica(group).raft.term)).toEqual(terms);
});

test.each([null, { promiseMs: 100, holdMs: 88, startedAtMs: 0 }])(
  'E111 an idle group sleeps with lease %o, and a read just before it falls asleep starts no election',
  (lease) => {
    for (let afterMs = 150; afterMs < 350; afterMs += lease === null ? 5 : 40) {
      const hosts = new TestHosts(3, { seed: 5, raft: { lease } });
      hosts.addGroup(1);
      hosts.start();
      const leader = hosts.leader(1).replica(1);
      const isQuiet = (): boolean => hosts.nodes.every((node) => node.replica(1).raft.quiesced);
      hosts.world.until(isQuiet, 'the group sleeps');
      const { term } = leader.raft;
      const sink = new RecordingSink();
      const write = setCommand('a', '1', 0);
      leader.submitWrite(write, 0, write.length, false, sink, 1);
      hosts.world.run(afterMs);
      const read = getCommand('a');
      leader.submitRead(read, 0, read.length, sink, 2);
      hosts.world.run(2000);
      expect([afterMs, Math.max(...hosts.nodes.map((node) => node.replica(1).raft.term)), isQuiet()]).toEqual(
        [afterMs, term, true],
      );
    }
  },
);

test('E111 a dead node’s follower is owed a snapshot: its group sleeps all the same, and streams it when the node is back', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1, { bytes: 1 << 30, entries: 5 });
  hosts.start();
  const leader = hosts.leader(1);
  const away = hosts.node((leader.id % 3) + 1);
  const rest = hosts.nodes.filter((node) => node !== away);
  hosts.peers.isolate(away.id);
  const sink = new RecordingSink();
  for (let i = 1; i <= 30; i++) {
    write(leader, 1, sink);
    hosts.world.until(() => sink.lines.length === i, 'written');
  }
  // It asks for its entries, which are gone, and falls away again.
  hosts.peers.healAll();
  const { streams } = leader.replica(1).policy;
  hosts.world.until(() => streams.status().length > 0, 'a snapshot is owed');
  hosts.peers.isolate(away.id);
  hosts.world.until(() => isQuiet(hosts, 1, rest), 'quiet without it', 20_000);
  hosts.world.run(20_000);
  expect(isQuiet(hosts, 1, rest)).toBe(true);
  hosts.peers.healAll();
  hosts.world.until(() => hosts.agree(1), 'caught up', 5000);
  expect(away.replica(1).snapshotsInstalled).toBe(1);
  hosts.world.until(() => isQuiet(hosts, 1), 'all quiet', 5000);
});

test('a leader tidies its table up before its group sleeps, but not for ever', () => {
  const hosts = makeHosts(1);
  let isTidying = true;
  for (const node of hosts.nodes)
    Object.defineProperty(node.replica(1).machine, 'isTidying', { get: () => isTidying });
  hosts.world.run(800 * TICK_MS);
  expect(isQuiet(hosts, 1)).toBe(false);
  isTidying = false;
  hosts.world.run(2_000);
  expect(isQuiet(hosts, 1)).toBe(true);
  isTidying = true;
  const leader = hosts.nodes.find((node) => node.replica(1).serves) as TestNode;
  write(leader, 1, new RecordingSink());
  hosts.world.run(800 * TICK_MS);
  expect(isQuiet(hosts, 1)).toBe(false);
  hosts.world.run(800 * TICK_MS);
  expect(isQuiet(hosts, 1)).toBe(true);
});
