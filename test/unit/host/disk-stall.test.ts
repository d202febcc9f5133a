/** E65: a leader whose disk stands still. Its heartbeats go on, so it has to give way by itself. */
import { describe, expect, it } from 'vitest';
import { RaftFrameWriter } from '../../../src/codec/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { DISK_STALL_MS, TestHosts, TICK_MS, type TestNode } from '../../support/loop-hosts.js';
import { makeMessage } from '../../support/raft-builders.js';

const HANG_MS = 10_000;

class Scene {
  readonly hosts: TestHosts;
  readonly sink = new RecordingSink();
  readonly leader: TestNode;
  private asked = 0;

  constructor(count = 3) {
    this.hosts = new TestHosts(count, { remember: true });
    this.hosts.addGroup(1);
    this.hosts.start();
    this.leader = this.hosts.leader(1);
    this.write(this.leader);
    this.hosts.world.until(() => this.sink.lines.length === 1, 'the first write is answered');
  }

  write(node: TestNode): void {
    const command = setCommand(`k${this.asked}`, 'v');
    node.replica(1).submitWrite(command, 0, command.length, false, this.sink, this.asked++);
  }

  /** From its next write on the node's disk takes this long. */
  hang(node: TestNode, ms = HANG_MS): void {
    this.hosts.flushMs = (id) => (id === node.id ? ms : 2);
    this.write(node);
    this.hosts.world.run(1);
  }

  heal(): void {
    this.hosts.flushMs = () => 2;
  }

  framesOf(node: TestNode): number {
    return this.hosts.peers.frames.filter((f) => f.from === node.id && f.channel === 'raft').length;
  }

  /** The write that hangs is one entry among all; when it is over everybody has everything. */
  expectRecovery(): void {
    this.heal();
    this.hosts.world.run(HANG_MS);
    this.hosts.world.until(() => this.hosts.agree(1), 'all agree');
    for (const node of this.hosts.nodes) expect(node.fatals).toEqual([]);
    expect(this.sink.lines).toHaveLength(this.asked);
  }
}

describe('a disk that stands still', () => {
  it('E65 under the limit changes nothing: heartbeats go on, the write is answered late', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    const { term } = leader.replica(1).raft;
    scene.hang(leader, DISK_STALL_MS - 5 * TICK_MS);
    const before = scene.framesOf(leader);
    hosts.world.run(DISK_STALL_MS - 10 * TICK_MS);
    expect(scene.framesOf(leader) - before).toBeGreaterThan(10);
    expect(scene.sink.lines).toHaveLength(1);
    hosts.world.run(20 * TICK_MS);
    expect(scene.sink.lines).toEqual(['0: ok', '1: ok']);
    expect(leader.replica(1).raft.term).toBe(term);
    expect(leader.count('leaderships_given_up_total')).toBe(0);
  });

  it('E65 on the leader: another one leads soon, without a missed heartbeat, and serves', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    scene.hang(leader);
    const beginMs = hosts.world.loop.now();
    const next = hosts.leader(1, leader.id);
    expect(hosts.world.loop.now() - beginMs).toBeLessThan(DISK_STALL_MS + 10 * TICK_MS);
    expect(leader.replica(1).raft.role).toBe('follower');
    expect(leader.count('leaderships_given_up_total')).toBe(1);
    scene.write(next);
    hosts.world.run(100);
    // The one that hangs was replicated, so it is committed; its answer waits for the disk that it was asked from.
    expect(scene.sink.lines).toEqual(['0: ok', '2: ok']);
    scene.expectRecovery();
    expect(scene.sink.lines).toContain('1: ok');
  });

  it('E65 while it hangs the node neither campaigns nor takes a leadership over', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    scene.hang(leader);
    const next = hosts.leader(1, leader.id);
    const { term } = next.replica(1).raft;
    const order = new RaftFrameWriter();
    order.begin({ node: next.id, bootNumber: 1, wallMs: next.clock.wallMs(), mapVersion: 1 });
    order.add(1, makeMessage('timeout_now', { from: next.id, to: leader.id, term }));
    leader.host.onRaftFrame(next.id, order.finish());
    hosts.world.run(20);
    expect(leader.count('raft_messages_dropped_total', { reason: 'disk_stalled' })).toBe(1);
    expect([next.replica(1).raft.role, next.replica(1).raft.term]).toEqual(['leader', term]);
    hosts.peers.isolate(next.id);
    leader.roles.length = 0;
    hosts.world.run(1000);
    // The third one asks for votes, in vain; this one only follows its terms.
    expect(new Set(leader.roles.map(({ change }) => change.role))).toEqual(new Set(['follower']));
    hosts.peers.healAll();
    scene.expectRecovery();
  });

  it('E65 when nobody takes the leadership over, the leader steps down and the others elect', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    for (const node of hosts.nodes) {
      if (node === leader) continue;
      const { raft } = node.replica(1);
      const step = raft.step.bind(raft);
      raft.step = (message) => (message.type === 'timeout_now' ? 'taken' : step(message));
    }
    scene.hang(leader);
    hosts.leader(1, leader.id);
    expect(leader.replica(1).raft.role).toBe('follower');
    expect(leader.count('leaderships_given_up_total')).toBe(3); // both heirs, then none
    scene.expectRecovery();
  });

  it('E65 a leader without whom there is no quorum keeps its place', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    const away = hosts.node((leader.id % 3) + 1);
    hosts.peers.isolate(away.id);
    hosts.world.run(500);
    // The other follower's disk hangs, too: it holds nothing of the write.
    hosts.flushMs = (id) => (id === away.id ? 2 : 3000);
    scene.write(leader);
    hosts.world.run(2500);
    expect(leader.replica(1).raft.role).toBe('leader');
    hosts.peers.healAll();
    scene.expectRecovery();
  });

  it('E65 a sole voter has nobody to hand over to', () => {
    const scene = new Scene(1);
    scene.hang(scene.leader);
    scene.hosts.world.run(5000);
    expect(scene.leader.replica(1).raft.role).toBe('leader');
    scene.expectRecovery();
  });

  it('E65 on a follower it holds nobody up', () => {
    const scene = new Scene();
    const { leader, hosts } = scene;
    const slow = hosts.node((leader.id % 3) + 1);
    hosts.flushMs = (id) => (id === slow.id ? HANG_MS : 2);
    for (let i = 0; i < 50; i++) {
      scene.write(leader);
      hosts.world.run(20);
    }
    expect(scene.sink.lines).toHaveLength(51);
    expect(hosts.leader(1).id).toBe(leader.id);
    scene.expectRecovery();
  });
});
