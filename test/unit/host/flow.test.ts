/** What a slow, deaf, suspect or lying peer costs the others: bounded memory, and nothing else. */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import {
  decodeBulkFrame,
  decodeRaftFrame,
  encodeBulkFrame,
  type BulkFrame,
} from '../../../src/codec/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';
import { makeConfiguration } from '../../support/raft-builders.js';

const VALUE = 'x'.repeat(20_000);

function writes(hosts: TestHosts, node: TestNode, sink: RecordingSink, count: number): void {
  for (let i = 0; i < count; i++) {
    const command = setCommand(`k${i % 50}`, VALUE);
    node.replica(1).submitWrite(command, 0, command.length, false, sink, i);
    hosts.world.run(3);
  }
}

describe('a follower that takes nothing', () => {
  it('E35 holds up nobody, and costs the leader no more than a window and the tail of its log', () => {
    const hosts = new TestHosts(3);
    hosts.addGroup(1);
    hosts.start();
    const leader = hosts.leader(1);
    const deaf = hosts.node((leader.id % 3) + 1);
    hosts.peers.fill(deaf.id);
    const sink = new RecordingSink();
    writes(hosts, leader, sink, 400); // 8 MB
    hosts.world.until(() => sink.lines.length === 400, 'all writes are answered');
    expect(sink.lines.every((line) => line.endsWith(': ok'))).toBe(true);
    const follower = leader
      .replica(1)
      .raft.status()
      .followers.find((f) => f.id === deaf.id);
    expect(follower?.inflightBytes).toBeLessThanOrEqual((1 << 20) + 30_000); // the window, and one message
    expect(follower?.inflightMessages).toBeLessThanOrEqual(64);
    expect(leader.replica(1).raft.status().uncommittedBytes).toBe(0);
    expect(leader.count('raft_messages_dropped_total', { reason: 'no_link' })).toBeGreaterThan(0);
    hosts.peers.drain(deaf.id);
    hosts.world.until(() => hosts.agree(1), 'it catches up');
    expect(hosts.leader(1).id).toBe(leader.id);
  });
});

describe('a suspect replica', () => {
  it('E103 gives no vote and no acknowledgement: of three, the other two decide, and one of them alone does not', () => {
    const hosts = new TestHosts(3, { remember: true });
    const voters = [1, 2, 3];
    for (const node of hosts.nodes) {
      node.addReplica(1, voters, undefined, node.id === 3 ? 'it lost batches' : null);
    }
    hosts.start();
    const leader = hosts.leader(1);
    expect(leader.id).not.toBe(3);
    const sink = new RecordingSink();
    writes(hosts, leader, sink, 5);
    hosts.world.until(() => sink.lines.length === 5, 'the two acknowledge');
    hosts.peers.isolate(leader.id);
    hosts.world.run(5000);
    expect(hosts.nodes.filter((node) => node.id !== leader.id && node.replica(1).serves)).toEqual([]);
    hosts.peers.healAll();
    hosts.leader(1);
    const said = new Set<string>();
    for (const frame of hosts.peers.frames) {
      if (frame.from !== 3 || frame.channel !== 'raft') continue;
      decodeRaftFrame(frame.bytes, {
        onHeader: () => undefined,
        onMessage: (_group, message) => void said.add(message.type),
      });
    }
    expect([...said]).toEqual(['suspect']); // it asks to be replaced, and says nothing else
    expect(hosts.node(3).replica(1).raft.commit).toBe(0);
    const gauge = hosts
      .node(3)
      .metrics.list()
      .find((family) => family.name === 'suspect_replicas');
    expect(gauge?.read?.()).toEqual([{ labels: {}, value: 1 }]);
  });
});

describe('a sender of snapshots that lies', () => {
  const bytes = 300_000;
  const offerOf = (transfer: number, index = 50): BulkFrame => ({
    kind: 'offer',
    transfer,
    group: 1,
    from: 2,
    to: 1,
    term: 9,
    snapshot: { index, term: 8, configuration: makeConfiguration([1, 2, 3]) },
    bytes,
    crc: 77,
  });

  function receiver(): {
    hosts: TestHosts;
    node: TestNode;
    send: (frame: BulkFrame) => void;
    answers: () => BulkFrame[];
  } {
    const hosts = new TestHosts(3, { remember: true });
    hosts.addGroup(1);
    const node = hosts.node(1);
    const w = new ByteWriter(1024);
    return {
      hosts,
      node,
      send: (frame) => {
        node.host.onBulkFrame(2, encodeBulkFrame(w, frame));
        hosts.world.run(5);
      },
      answers: () =>
        hosts.peers.frames
          .splice(0)
          .filter((f) => f.channel === 'bulk' && f.from === 1)
          .map((f) => decodeBulkFrame(f.bytes)),
    };
  }
  const chunk = (transfer: number, offset: number, length: number): BulkFrame => ({
    kind: 'chunk',
    transfer,
    offset,
    bytes: new Uint8Array(length),
  });

  it('E54 chunks that are lost, repeated, out of order or too many end the transfer; the next goes on or begins anew', () => {
    for (const wrong of [chunk(1, 20_000, 10_000), chunk(1, 0, 10_000), chunk(1, 10_000, bytes)]) {
      const { send, answers, node } = receiver();
      send(offerOf(1));
      expect(answers()).toEqual([{ kind: 'resume', transfer: 1, offset: 0 }]);
      send(chunk(1, 0, 10_000));
      expect(answers()).toEqual([{ kind: 'ack', transfer: 1, nextOffset: 10_000 }]);
      send(wrong);
      expect(answers()).toMatchObject([{ kind: 'done', ok: false }]);
      send(chunk(1, 10_000, 10_000));
      expect(answers()).toMatchObject([{ kind: 'done', ok: false, reason: 'unknown transfer' }]);
      send(offerOf(2));
      expect(answers()).toEqual([{ kind: 'resume', transfer: 2, offset: 10_000 }]);
      send(offerOf(3, 51)); // another file
      expect(answers()).toEqual([{ kind: 'resume', transfer: 3, offset: 0 }]);
      expect(node.host.receiving(1)).toMatchObject({ index: 51, receivedBytes: 0, totalBytes: bytes });
      expect(node.fatals).toEqual([]);
    }
  });

  it('E54 a file that is complete and wrong is thrown away, and nothing of it is loaded', () => {
    const { send, answers, node, hosts } = receiver();
    send(offerOf(1));
    for (let at = 0; at < bytes; at += 100_000) send(chunk(1, at, 100_000));
    expect(answers().at(-1)).toMatchObject({ kind: 'done', ok: false });
    send(offerOf(2));
    expect(answers()).toEqual([{ kind: 'resume', transfer: 2, offset: 0 }]);
    hosts.world.run(100);
    expect([node.replica(1).appliedIndex, node.replica(1).snapshotsInstalled]).toEqual([0, 0]);
  });

  it('E54 an offer from an old leader is refused', () => {
    const { send, answers, node } = receiver();
    node.replica(1).raft.step({
      type: 'heartbeat',
      from: 3,
      to: 1,
      term: 10,
      configurationVersion: 1,
      commit: 0,
      quiesce: false,
    });
    send(offerOf(1));
    expect(answers()).toMatchObject([
      { kind: 'done', ok: false, reason: expect.stringContaining('term 10') },
    ]);
  });

  it('E59 a sender that falls silent gives its place up after a while, and what came stays', () => {
    const { send, answers, node, hosts } = receiver();
    hosts.start();
    send(offerOf(1));
    send(chunk(1, 0, 10_000));
    hosts.world.run(20_000);
    expect(node.host.receiving(1)).toBeNull();
    answers();
    send(offerOf(2));
    expect(answers().find((frame) => frame.kind === 'resume')).toMatchObject({ offset: 10_000 });
  });
});
