/** Hosts of several nodes, wired in memory: election, replication, failure, catching up; and what they drop. */
import { expect, test } from 'vitest';
import { decodeRaftFrame, RaftFrameWriter } from '../../../src/codec/index.js';
import type { Message } from '../../../src/raft/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';
import { makeMessage } from '../../support/raft-builders.js';

function write(node: TestNode, sink: RecordingSink, token: number, key: string, group = 1): void {
  const command = setCommand(key, String(token));
  node.replica(group).submitWrite(command, 0, command.length, false, sink, token);
}

function read(node: TestNode, sink: RecordingSink, token: number, key: string, group = 1): void {
  const command = getCommand(key);
  node.replica(group).submitRead(command, 0, command.length, sink, token);
}

function frameOf(from: number, message: Message, group = 1): Uint8Array {
  const writer = new RaftFrameWriter();
  writer.begin({ node: from, bootNumber: 1, wallMs: 1_800_000_000_000, mapVersion: 1 });
  writer.add(group, message);
  return writer.finish().slice();
}

test('one node alone elects itself and serves', () => {
  const hosts = new TestHosts(1);
  hosts.addGroup(1);
  hosts.start();
  const sink = new RecordingSink();
  const leader = hosts.leader(1);
  write(leader, sink, 1, 'a');
  hosts.world.run(50);
  read(leader, sink, 2, 'a');
  hosts.world.run(50);
  expect(sink.lines).toEqual(['1: ok', '2: "1"']);
});

test.each([2, 3])('%i nodes elect one leader, replicate to all and answer', (count) => {
  const hosts = new TestHosts(count);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const sink = new RecordingSink();
  for (let i = 0; i < 200; i++) write(leader, sink, i, `k${i % 20}`);
  hosts.world.until(() => sink.lines.length === 200, 'all writes are answered');
  expect(sink.lines.every((line) => line.endsWith(': ok'))).toBe(true);
  hosts.world.until(() => hosts.agree(1), 'all replicas agree');
  expect(hosts.nodes.filter((node) => node.replica(1).raft.role === 'leader')).toHaveLength(1);
  expect(hosts.node(count).machines.get(1)?.itemCount).toBe(20);
  const leaders = new Set(hosts.nodes.map((node) => node.replica(1).leaderNode));
  expect([...leaders]).toEqual([leader.id]);
});

test('E108 of two groups whose rounds share a frame only that is confirmed in which the peer is still in the term', () => {
  const hosts = new TestHosts(3, { remember: true });
  for (const group of [1, 2]) hosts.addGroup(group);
  hosts.start();
  const leader = hosts.leader(1);
  hosts.leader(2).replica(2).raft.transferLeader(leader.id);
  hosts.world.until(() => leader.replica(2).serves, 'one node leads both');
  hosts.world.run(50);
  const peer = hosts.node((leader.id % 3) + 1);
  for (const other of hosts.nodes) if (other !== leader && other !== peer) hosts.peers.isolate(other.id);
  // A candidate that is gone again brought the peer's replica of group 1 into a later term.
  const { term } = leader.replica(1).raft;
  const vote = { from: leader.id, to: peer.id, term: term + 5, lastIndex: 0, lastTerm: 0, transfer: true };
  peer.replica(1).step(makeMessage('vote', vote));
  hosts.peers.frames.length = 0;
  const sink = new RecordingSink();
  read(leader, sink, 1, 'a', 1);
  read(leader, sink, 2, 'a', 2);
  hosts.world.until(() => sink.lines.length === 2, 'both reads have ended');
  expect(sink.lines.sort()).toEqual(['1 refused NOT_LEADER 0: get a', '2: nil']);
  const frame = hosts.peers.frames.find((sent) => sent.from === leader.id && sent.to === peer.id);
  const rounds: number[] = [];
  decodeRaftFrame(frame?.bytes ?? new Uint8Array(0), {
    onHeader: () => undefined,
    onMessage: (group, message) => {
      if (message.type === 'read_round') rounds.push(group);
    },
  });
  expect(rounds.sort()).toEqual([1, 2]);
});

test('many groups of one node share a write', () => {
  const hosts = new TestHosts(3);
  for (let group = 1; group <= 20; group++) hosts.addGroup(group);
  hosts.start();
  for (let group = 1; group <= 20; group++) hosts.leader(group);
  hosts.world.run(500);
  const sink = new RecordingSink();
  const before = hosts.nodes.map((node) => node.store.flushes);
  for (let group = 1; group <= 20; group++) write(hosts.leader(group), sink, group, 'a', group);
  hosts.world.until(() => sink.lines.length === 20, 'all groups answered');
  for (const [i, node] of hosts.nodes.entries()) {
    expect(node.store.flushes - (before[i] as number)).toBeLessThan(20);
  }
});

test('E102 commands that come while a write is in flight share the next one', () => {
  const hosts = new TestHosts(1);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  hosts.world.run(100);
  hosts.flushMs = () => 50;
  const sink = new RecordingSink();
  const before = leader.store.flushes;
  write(leader, sink, 0, 'a');
  hosts.world.run(10);
  for (let i = 1; i <= 100; i++) {
    write(leader, sink, i, `k${i}`);
    hosts.world.run(0.2);
  }
  hosts.world.until(() => sink.lines.length === 101, 'all answered');
  expect(leader.store.flushes - before).toBe(2);
  expect(sink.lines).toEqual(Array.from({ length: 101 }, (_, i) => `${i}: ok`));
});

test('the majority goes on when the leader is cut off; the old leader acknowledges nothing', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const old = hosts.leader(1);
  const lost = new RecordingSink();
  hosts.peers.isolate(old.id);
  write(old, lost, 1, 'lost');
  read(old, lost, 2, 'a');
  const leader = hosts.leader(1, old.id);
  const sink = new RecordingSink();
  write(leader, sink, 3, 'a');
  hosts.world.until(() => sink.lines.length === 1, 'the new leader answers');
  expect(sink.lines).toEqual(['3: ok']);
  hosts.world.run(2000);
  expect(old.replica(1).serves).toBe(false);
  expect(lost.lines.filter((line) => line.startsWith('1:'))).toEqual([]);
  expect(lost.lines.filter((line) => line.startsWith('2'))).toEqual([
    expect.stringMatching(/^2 refused NOT_LEADER/),
  ]);
  hosts.peers.healAll();
  write(hosts.leader(1), sink, 4, 'b');
  hosts.world.until(() => hosts.agree(1) && lost.lines.length === 2, 'the old leader caught up');
  expect(lost.lines).toContain('1: OUTCOME_UNKNOWN');
  expect(old.machines.get(1)?.itemCount).toBe(2);
});

test('a follower that was away catches up by log', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const away = hosts.node((leader.id % 3) + 1);
  hosts.peers.isolate(away.id);
  const sink = new RecordingSink();
  for (let i = 0; i < 300; i++) {
    write(leader, sink, i, `k${i}`);
    if (i % 10 === 0) hosts.world.run(5);
  }
  hosts.world.until(() => sink.lines.length === 300, 'all answered');
  hosts.peers.healAll();
  hosts.world.until(() => hosts.agree(1), 'all agree');
  expect(away.machines.get(1)?.itemCount).toBe(300);
});

test('E55 a follower behind a cut log catches up by snapshot, and replicates on', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1, { bytes: 1 << 30, entries: 20 });
  hosts.start();
  const leader = hosts.leader(1);
  const away = hosts.node((leader.id % 3) + 1);
  hosts.peers.isolate(away.id);
  const sink = new RecordingSink();
  for (let i = 0; i < 200; i++) {
    write(leader, sink, i, `k${i}`);
    hosts.world.run(10);
  }
  hosts.world.until(() => sink.lines.length === 200, 'all answered');
  expect(leader.store.logOf(1).truncatedIndex).toBeGreaterThan(away.replica(1).raft.lastIndex);
  hosts.peers.healAll();
  hosts.world.until(() => away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  write(hosts.leader(1), sink, 200, 'k200');
  hosts.world.until(() => hosts.agree(1), 'all agree');
  expect(away.machines.get(1)?.itemCount).toBe(201);
  for (const node of hosts.nodes) expect(node.fatals).toEqual([]);
});

test('E59 a snapshot whose link breaks again and again arrives in the end', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1, { bytes: 1 << 30, entries: 20 });
  hosts.start();
  const leader = hosts.leader(1);
  const away = hosts.node((leader.id % 3) + 1);
  hosts.peers.isolate(away.id);
  const sink = new RecordingSink();
  for (let i = 0; i < 100; i++) {
    write(leader, sink, i, `k${i}`);
    hosts.world.run(10);
  }
  hosts.peers.latencyMs = (_from, _to, channel) => (channel === 'bulk' ? 40 : 1);
  for (let i = 0; i < 5; i++) {
    hosts.peers.healAll();
    hosts.world.run(60 + 20 * i);
    hosts.peers.isolate(away.id);
    hosts.world.run(200);
  }
  hosts.peers.healAll();
  hosts.world.until(() => hosts.agree(1), 'all agree');
  for (const node of hosts.nodes) expect(node.fatals).toEqual([]);
});

test('E100 malformed frames are dropped and counted, and the node goes on', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const { prng } = hosts.world;
  const whole = frameOf(2, makeMessage('append', { from: 2, to: leader.id, term: 1 }));
  for (let i = 0; i < 200; i++) {
    const frame = Uint8Array.from({ length: prng.below(80) }, () => prng.below(256));
    leader.host.onRaftFrame(2, frame);
    leader.host.onBulkFrame(2, frame);
    leader.host.onRaftFrame(2, whole.slice(0, prng.below(whole.length)));
  }
  expect(leader.count('raft_messages_dropped_total', { reason: 'malformed' })).toBeGreaterThan(200);
  const sink = new RecordingSink();
  write(hosts.leader(1), sink, 1, 'a');
  hosts.world.until(() => sink.lines.length === 1, 'still serves');
  expect(sink.lines).toEqual(['1: ok']);
});

test('E24 messages for another replica, of another sender, or of an unknown group are dropped and counted', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  const node = hosts.node(1);
  const high = { from: 2, to: 1, term: 99 };
  node.host.onRaftFrame(2, frameOf(2, makeMessage('heartbeat', { ...high, to: 7 })));
  node.host.onRaftFrame(3, frameOf(3, makeMessage('heartbeat', high)));
  node.host.onRaftFrame(2, frameOf(2, makeMessage('heartbeat', high), 42));
  hosts.world.run(20);
  expect(node.count('raft_messages_dropped_total', { reason: 'unknown_replica' })).toBe(2);
  expect(node.count('raft_messages_dropped_total', { reason: 'wrong_node' })).toBe(1);
  expect(node.unknown).toEqual([
    { group: 1, to: 7 },
    { group: 42, to: 1 },
  ]);
  expect(node.replica(1).raft.term).toBe(0);
  node.host.onRaftFrame(2, frameOf(2, makeMessage('heartbeat', high)));
  hosts.world.run(20);
  expect(node.replica(1).raft.term).toBe(99);
});

test('E63 a failed write ends the process, and nothing of it was acknowledged', () => {
  const hosts = new TestHosts(1);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  hosts.world.run(50);
  leader.store.failure = new Error('EIO');
  const sink = new RecordingSink();
  write(leader, sink, 1, 'a');
  hosts.world.run(50);
  expect(leader.fatals).toContain('disk');
  expect(sink.lines).toEqual([]);
});

test('a node whose clock is far off its peers’ does not campaign', () => {
  const hosts = new TestHosts(3, { wallOffsetsMs: [0, 0, 3_600_000] });
  hosts.addGroup(1);
  hosts.start();
  hosts.node(1).replica(1).raft.campaign();
  hosts.node(1).host.markDirty(hosts.node(1).replica(1));
  expect(hosts.leader(1).id).toBe(1);
  // Node 3 has heard node 1 only; here it hears of node 2's clock as well.
  const off = hosts.node(3);
  off.host.clocks.note(2, hosts.node(2).clock.wallMs(), off.clock.monoMs());
  off.roles.length = 0;
  hosts.peers.isolate(1);
  expect(hosts.leader(1, 1).id).toBe(2);
  hosts.world.run(1000);
  expect(off.roles.map(({ change }) => change.role).filter((role) => role !== 'follower')).toEqual([]);
});

test('E106 a leader whose clock is years ahead stamps by the median', () => {
  const hosts = new TestHosts(3, { wallOffsetsMs: [315_000_000_000, 0, 0] });
  hosts.addGroup(1);
  // Every node has heard of the others' clocks before anybody leads.
  for (const node of hosts.nodes) {
    for (const other of hosts.nodes) {
      if (other !== node) node.host.clocks.note(other.id, other.clock.wallMs(), node.clock.monoMs());
    }
  }
  hosts.start();
  hosts.node(1).replica(1).raft.campaign();
  hosts.node(1).host.markDirty(hosts.node(1).replica(1));
  const sink = new RecordingSink();
  const leader = hosts.leader(1);
  write(leader, sink, 1, 'a');
  hosts.world.until(() => sink.lines.length === 1, 'answered');
  const stamp = leader.replica(1).machine.timestampMs();
  expect(Math.abs(stamp - hosts.node(2).clock.wallMs())).toBeLessThan(1000);
});

test('a replica that ended with something left to say keeps its host from no rest', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const other = hosts.nodes.find((node) => node !== leader) as TestNode;
  const replica = other.replica(1);
  replica.raft.campaign();
  expect(replica.hasReady).toBe(true);
  replica.stop();
  expect([replica.hasReady, replica.raft.hasReady()]).toEqual([false, true]);
  other.host.markDirty(replica);
  const before = hosts.world.loop.eventsRun;
  hosts.world.run(100);
  expect(hosts.world.loop.eventsRun - before).toBeLessThan(500);
});

test('stopping a host answers what waits, and it is silent from then on', () => {
  const hosts = new TestHosts(3, { remember: true });
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  hosts.flushMs = () => 100;
  const sink = new RecordingSink();
  write(leader, sink, 1, 'a');
  hosts.world.run(5);
  write(leader, sink, 2, 'b');
  leader.host.stop();
  expect(sink.lines).toHaveLength(2);
  expect(sink.lines[0]).toMatch(/^(1: OUTCOME_UNKNOWN|2 refused UNAVAILABLE)/);
  hosts.peers.frames.length = 0;
  hosts.world.run(1000);
  expect(hosts.peers.frames.filter((frame) => frame.from === leader.id)).toEqual([]);
  expect(sink.lines).toHaveLength(2);
});

test('a frame that tells of a newer map is passed on', () => {
  const hosts = new TestHosts(2);
  hosts.addGroup(1);
  const writer = new RaftFrameWriter();
  writer.begin({ node: 2, bootNumber: 1, wallMs: 1, mapVersion: 7 });
  hosts.node(1).host.onRaftFrame(2, writer.finish());
  writer.begin({ node: 2, bootNumber: 1, wallMs: 1, mapVersion: 1 });
  hosts.node(1).host.onRaftFrame(2, writer.finish());
  expect(hosts.node(1).newMaps).toEqual([7]);
});
