/** Readers of a shard's change feed at replicas that elect, lag, get snapshots and end. */
import { expect, test } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { FEED_START } from '../../../src/kv/index.js';
import { FeedFollower } from '../../support/feed-follower.js';
import { delCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestCheckpoints, type TestNode } from '../../support/loop-hosts.js';

const GROUP = 1;
const READERS_MAX = 64;

class Scene {
  readonly hosts = new TestHosts(3, { seed: 3 });
  readonly sink = new RecordingSink();
  private asked = 0;

  constructor(checkpoints?: TestCheckpoints) {
    this.hosts.addGroup(GROUP, checkpoints);
    this.hosts.start();
  }

  write(node: TestNode, count: number): void {
    for (let i = 0; i < count; i++) {
      const n = this.asked++;
      const command = n % 7 === 6 ? delCommand(`k${(n - 3) % 10}`) : setCommand(`k${n % 10}`, `v${n}`);
      node.replica(GROUP).submitWrite(command, 0, command.length, false, this.sink, n);
      this.hosts.world.run(3);
    }
    this.hosts.world.until(() => this.sink.lines.length === this.asked, 'all writes are answered', 60_000);
  }

  settle(): void {
    this.hosts.world.until(() => this.hosts.agree(GROUP), 'all agree', 60_000);
  }
}

test('a reader is called once when there is more, and not before', () => {
  const scene = new Scene();
  const leader = scene.hosts.leader(GROUP);
  const follower = new FeedFollower();
  follower.attach(leader.replica(GROUP).feed);
  follower.drain(100);
  scene.hosts.world.run(2000);
  expect([follower.calls, follower.isDue, follower.last]).toEqual([0, false, 'end']);
  scene.write(leader, 5);
  // Whoever does not ask again is not called again.
  expect([follower.calls, follower.isDue]).toEqual([1, true]);
  expect(follower.step(1)).toBe('changes');
  scene.write(leader, 5);
  expect(follower.calls).toBe(1);
  follower.drain(1000);
  follower.verify();
  expect(follower.copy.events).toBe(10);
});

test('a position is good at every replica, behind a change of the leader too', () => {
  const scene = new Scene();
  const follower = new FeedFollower();
  for (let round = 0; round < 4; round++) {
    const leader = scene.hosts.leader(GROUP);
    scene.write(leader, 12);
    scene.settle();
    for (const node of scene.hosts.nodes) {
      follower.attach(node.replica(GROUP).feed);
      follower.step(60);
      expect(['changes', 'end']).toContain(follower.last);
    }
    expect(follower.drain(60)).toBe('end');
    follower.verify();
    scene.hosts.peers.isolate(leader.id);
    scene.hosts.leader(GROUP, leader.id);
    scene.hosts.peers.healAll();
  }
  expect(follower.resyncs).toBe(0);
  expect(follower.copy.events).toBe(48);
});

test('at a replica that lags a position is ahead, and its reader called when it has come there', () => {
  const scene = new Scene();
  const leader = scene.hosts.leader(GROUP);
  const late = scene.hosts.node((leader.id % 3) + 1);
  scene.write(leader, 3);
  scene.settle();
  scene.hosts.peers.isolate(late.id);
  scene.write(leader, 9);
  const follower = new FeedFollower();
  follower.attach(leader.replica(GROUP).feed);
  expect(follower.drain(1000)).toBe('end');
  follower.attach(late.replica(GROUP).feed);
  expect(follower.drain(1000)).toBe('ahead');
  scene.hosts.world.run(500);
  expect(follower.calls).toBe(0);
  scene.hosts.peers.healAll();
  scene.hosts.world.until(() => follower.isDue, 'called');
  expect(follower.drain(1000)).toBe('end');
  follower.verify();
  expect(follower.resyncs).toBe(0);
});

test('E55 a replica that gets a snapshot says too old of what was before it, and wakes who waited', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 10 });
  const leader = scene.hosts.leader(GROUP);
  const away = scene.hosts.node((leader.id % 3) + 1);
  scene.write(leader, 5);
  scene.settle();
  const follower = new FeedFollower();
  follower.attach(away.replica(GROUP).feed);
  expect(follower.drain(1000)).toBe('end');
  const before = follower.copy.position;
  scene.hosts.peers.isolate(away.id);
  scene.write(leader, 60);
  scene.hosts.peers.healAll();
  scene.hosts.world.until(
    () => away.replica(GROUP).snapshotsInstalled > 0,
    'a snapshot is installed',
    60_000,
  );
  scene.hosts.world.until(() => follower.isDue, 'called');
  expect(follower.step(1000)).toBe('too_old');
  expect(follower.resyncs).toBe(1);
  scene.settle();
  expect(follower.drain(1000)).toBe('end');
  follower.verify();
  expect(away.count('feed_resyncs_total', { reason: 'too_old' })).toBe(1);
  // The leader's own window goes back further.
  const out = new ByteWriter();
  const reader = leader.replica(GROUP).feed.open(() => undefined);
  expect(reader?.read(before, 1 << 20, out).kind).toBe('changes');
});

test('a replica that ends says so to who waits, and again to who asks', () => {
  const scene = new Scene();
  const leader = scene.hosts.leader(GROUP);
  scene.write(leader, 3);
  const follower = new FeedFollower();
  const replica = leader.replica(GROUP);
  follower.attach(replica.feed);
  expect(follower.drain(1000)).toBe('end');
  leader.host.removeReplica(GROUP);
  expect(follower.isDue).toBe(true);
  expect(follower.drain(1000)).toBe('unavailable');
  const reader = replica.feed.open(() => undefined);
  expect(reader?.takeState()).toBeNull();
  expect(replica.machine.feed?.memoryBytes).toBe(0);
});

test('readers of a shard are counted and bounded; who closed is not called, and hears nothing', () => {
  const scene = new Scene();
  const leader = scene.hosts.leader(GROUP);
  const { feed } = leader.replica(GROUP);
  let calls = 0;
  const readers = Array.from({ length: READERS_MAX }, () => feed.open(() => calls++));
  expect(readers).not.toContain(null);
  expect(feed.open(() => undefined)).toBeNull();
  const gauge = leader.metrics.list().find(({ name }) => name === 'feed_subscribers');
  expect(gauge?.read?.()).toEqual([{ labels: {}, value: READERS_MAX }]);
  const newest = readers[0]?.takeState()?.position ?? FEED_START;
  for (const reader of readers) expect(reader?.read(newest, 100, new ByteWriter()).kind).toBe('end');
  readers[0]?.close();
  scene.write(leader, 1);
  expect(calls).toBe(READERS_MAX - 1);
  expect(readers[0]?.read(FEED_START, 100, new ByteWriter()).kind).toBe('unavailable');
  expect(feed.open(() => undefined)).not.toBeNull();
});

test('one reader may close others, and open more, while it is called', () => {
  const scene = new Scene();
  const leader = scene.hosts.leader(GROUP);
  const { feed } = leader.replica(GROUP);
  const called: string[] = [];
  const out = new ByteWriter();
  const first = feed.open(() => {
    called.push('first');
    second?.close();
    const third = feed.open(() => called.push('third'));
    expect(third?.read(FEED_START, 1 << 20, out).kind).toBe('changes');
  });
  const second = feed.open(() => called.push('second'));
  const start = first?.takeState()?.position ?? FEED_START;
  for (const reader of [first, second]) expect(reader?.read(start, 100, out).kind).toBe('end');
  scene.write(leader, 2);
  expect(called).toEqual(['first']);
});

test('metrics tell how much of the feed is kept', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 10 });
  const leader = scene.hosts.leader(GROUP);
  scene.write(leader, 20);
  const { feed } = leader.replica(GROUP).machine;
  const valueOf = (name: string): unknown =>
    leader.metrics
      .list()
      .find((family) => family.name === name)
      ?.read?.();
  const shard = { labels: { shard: '1' } };
  expect(valueOf('feed_window_events')).toEqual([{ ...shard, value: 20 }]);
  expect(valueOf('feed_window_bytes')).toEqual([{ ...shard, value: feed?.memoryBytes }]);
  expect(valueOf('feed_oldest_index')).toEqual([{ ...shard, value: 0 }]);
});
