/** Snapshots between whole hosts: at a rate, under load, over links that break, from files that are bad. */
import { expect, test } from 'vitest';
import type { StreamStatus } from '../../../src/group/index.js';
import { decodeBulkFrame, type BulkFrame } from '../../../src/codec/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestCheckpoints, type TestNode } from '../../support/loop-hosts.js';

const VALUE_BYTES = 20_000;

class Scene {
  readonly hosts: TestHosts;
  readonly sink = new RecordingSink();
  readonly leader: TestNode;
  /** Cut off at first. */
  readonly away: TestNode;
  private asked = 0;

  constructor(checkpoints: TestCheckpoints, bytesPerSecond = 1 << 30, seed = 1) {
    this.hosts = new TestHosts(3, { seed, snapshotBytesPerSecond: bytesPerSecond, remember: true });
    this.hosts.addGroup(1, checkpoints);
    this.hosts.start();
    this.leader = this.hosts.leader(1);
    this.away = this.hosts.node((this.leader.id % 3) + 1);
    this.hosts.peers.isolate(this.away.id);
  }

  /** So many values, each of `VALUE_BYTES`, one after the other, over `keys` keys. */
  fill(count: number, keys: number, pauseMs = 4): void {
    for (let i = 0; i < count; i++) {
      this.write(keys);
      this.hosts.world.run(pauseMs);
    }
    this.hosts.world.until(() => this.sink.lines.length === this.asked, 'all writes are answered', 60_000);
  }

  write(keys: number): void {
    const n = this.asked++;
    const command = setCommand(`k${n % keys}`, String(n % 10).repeat(VALUE_BYTES));
    this.leader.replica(1).submitWrite(command, 0, command.length, false, this.sink, n);
  }

  stream(): StreamStatus | undefined {
    return this.leader.replica(1).policy.streams.status()[0];
  }

  bulkBytes(): number {
    return this.leader.count('snapshot_stream_bytes_total', { direction: 'out' });
  }

  restarts(): number {
    return this.leader.count('snapshots_failed_total', { reason: 'log_bound' });
  }

  expectSound(): void {
    for (const node of this.hosts.nodes) expect(node.fatals).toEqual([]);
  }
}

test('E115 a snapshot comes at its rate, and its progress can be seen', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 }, 400_000);
  scene.fill(80, 60);
  scene.hosts.peers.healAll();
  const { world } = scene.hosts;
  world.until(() => scene.bulkBytes() > 0, 'the stream begins');
  const beginMs = world.loop.now();
  const seen: number[] = [];
  const received: number[] = [];
  while (scene.away.replica(1).snapshotsInstalled === 0) {
    world.run(100);
    const status = scene.stream();
    if (status?.state === 'streaming') seen.push(status.sentBytes / status.totalBytes);
    received.push(scene.away.host.receiving(1)?.receivedBytes ?? 0);
    const seconds = (world.loop.now() - beginMs) / 1000;
    expect(scene.bulkBytes()).toBeLessThanOrEqual(400_000 * seconds + 40_000 + 2 * 131_072);
  }
  expect(world.loop.now() - beginMs).toBeGreaterThan(1500);
  expect(seen.length).toBeGreaterThan(10);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(Math.max(...received)).toBeGreaterThan(500_000);
  world.until(() => scene.hosts.agree(1), 'all agree');
  world.run(2000);
  expect(scene.stream()).toBeUndefined();
  scene.expectSound();
});

test('E59 a stream whose link breaks goes on where it was: nothing is sent twice but what was on its way', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 }, 400_000);
  scene.fill(80, 60);
  const { world, peers } = scene.hosts;
  for (let i = 0; i < 4; i++) {
    peers.healAll();
    world.run(400);
    peers.isolate(scene.away.id);
    world.run(400);
  }
  expect(scene.away.replica(1).snapshotsInstalled).toBe(0);
  peers.healAll();
  world.until(() => scene.away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  expect(scene.leader.count('snapshots_resumed_total')).toBeGreaterThanOrEqual(3);
  expect(scene.away.count('snapshots_resumed_total')).toBeGreaterThanOrEqual(3);
  const offers = peers.frames
    .filter((frame) => frame.channel === 'bulk')
    .map((frame) => decodeBulkFrame(frame.bytes))
    .filter((frame): frame is Extract<BulkFrame, { kind: 'offer' }> => frame.kind === 'offer');
  const total = offers[0]?.bytes ?? 0;
  expect(new Set(offers.map((offer) => offer.snapshot.index)).size).toBe(1);
  // A window at most was on its way at each break.
  expect(scene.bulkBytes()).toBeLessThan(total + 4 * 300_000);
  expect(scene.restarts()).toBe(0);
  world.until(() => scene.hosts.agree(1), 'all agree');
  scene.expectSound();
});

test('E115 a stream slower than the writes gets more of the log with every restart, and ends', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 8, logBytesMax: 200_000 }, 500_000);
  scene.fill(80, 60);
  scene.hosts.peers.healAll();
  const { world } = scene.hosts;
  world.until(
    () => {
      scene.write(60);
      world.run(75); // about 250 kB a second
      return scene.away.replica(1).snapshotsInstalled > 0 && scene.stream() === undefined;
    },
    'the follower is caught up under load',
    120_000,
  );
  expect(scene.restarts()).toBeGreaterThan(0);
  expect(scene.restarts()).toBeLessThanOrEqual(3);
  expect(scene.sink.lines.filter((line) => !line.endsWith(': ok'))).toEqual([]);
  world.until(() => scene.hosts.agree(1), 'all agree');
  expect(scene.leader.store.logBytes(1)).toBeLessThan(600_000);
  scene.expectSound();
});

test('E115 a stream that can not win says so, keeps a bounded log, and tries more and more rarely', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 8, logBytesMax: 100_000 }, 100_000);
  scene.fill(80, 60);
  scene.hosts.peers.healAll();
  const { world } = scene.hosts;
  const endMs = world.loop.now() + 60_000;
  let logBytesMax = 0;
  while (world.loop.now() < endMs) {
    scene.write(60);
    world.run(50);
    logBytesMax = Math.max(logBytesMax, scene.leader.store.logBytes(1));
  }
  expect(scene.away.replica(1).snapshotsInstalled).toBe(0);
  expect(scene.restarts()).toBeGreaterThan(4);
  expect(scene.restarts()).toBeLessThan(30);
  expect(scene.stream()?.restarts).toBe(scene.restarts());
  expect(logBytesMax).toBeLessThan(8 * 100_000 + 700_000);
  // The load ends: it gets there.
  world.until(() => scene.away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed', 60_000);
  world.until(() => scene.hosts.agree(1), 'all agree');
  scene.expectSound();
});

test('E55 the log behind a snapshot stays until its receiver has caught up with it', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 8 }, 500_000);
  scene.fill(80, 60);
  scene.hosts.peers.healAll();
  const { world } = scene.hosts;
  world.until(
    () => {
      scene.write(60);
      world.run(75);
      return scene.away.replica(1).snapshotsInstalled > 0;
    },
    'installed',
    60_000,
  );
  world.until(() => scene.hosts.agree(1), 'all agree');
  expect(scene.away.replica(1).snapshotsInstalled).toBe(1);
  expect(scene.restarts()).toBe(0);
  // Then it goes.
  scene.fill(20, 60);
  world.run(3000);
  expect(scene.leader.store.logBytes(1)).toBeLessThan(600_000);
  scene.expectSound();
});

test('E58 a checkpoint that can not be read is not sent again and again: another one is written', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 });
  scene.fill(80, 60);
  const { leader, away } = scene;
  const bad = leader.replica(1).policy.pointers[0];
  if (bad === undefined) throw new Error('no checkpoint');
  const { openStream } = leader.checkpoints;
  let opened = 0;
  leader.checkpoints.openStream = (group, pointer, done) => {
    openStream.call(leader.checkpoints, group, pointer, (error, stream) => {
      if (pointer.file !== bad.file || stream === null) return done(error, stream);
      opened++;
      done(null, { ...stream, read: (_offset, _length, read) => read(new Error('EIO'), new Uint8Array(0)) });
    });
  };
  scene.hosts.peers.healAll();
  scene.hosts.world.until(() => away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  expect(opened).toBe(1);
  expect(leader.count('snapshots_failed_total', { reason: 'send' })).toBe(1);
  scene.hosts.world.until(() => scene.hosts.agree(1), 'all agree');
  scene.expectSound();
});

test('E58 a checkpoint that the receiver finds damaged is not sent again: another one is written in its place', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 });
  scene.fill(80, 60);
  const { leader, away } = scene;
  const { policy } = leader.replica(1);
  const rotten = new Set(policy.pointers.map((pointer) => pointer.file));
  const { openStream } = leader.checkpoints;
  const sent: string[] = [];
  leader.checkpoints.openStream = (group, pointer, done) => {
    openStream.call(leader.checkpoints, group, pointer, (error, stream) => {
      sent.push(pointer.file);
      if (!rotten.has(pointer.file) || stream === null) return done(error, stream);
      rotten.delete(pointer.file);
      done(null, { ...stream, crc: (stream.crc ^ 1) >>> 0 });
    });
  };
  scene.hosts.peers.healAll();
  scene.hosts.world.until(() => away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  expect(leader.count('snapshots_failed_total', { reason: 'send' })).toBeGreaterThan(0);
  expect(sent.length).toBeLessThanOrEqual(3);
  scene.hosts.world.until(() => scene.hosts.agree(1), 'all agree');
  scene.expectSound();
});

test('E59 a snapshot was installed, and all that said so is lost: the leader that offers it again is told, and goes on', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 });
  // Less than a window: the whole file comes without an acknowledgement.
  scene.fill(80, 20);
  const { hosts, away, leader } = scene;
  hosts.peers.healAll();
  hosts.world.until(() => scene.bulkBytes() > 0, 'the stream begins');
  // What it says from now on doesn't arrive.
  hosts.peers.latencyMs = (from) => (from === away.id ? 1000 : 1);
  hosts.world.until(() => away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  hosts.peers.isolate(away.id);
  hosts.peers.latencyMs = () => 1;
  hosts.world.run(10);
  const { followers, firstIndex } = leader.replica(1).raft.status();
  expect(followers.find(({ id }) => id === away.id)?.match).toBeLessThan(firstIndex - 1);
  hosts.peers.healAll();
  hosts.world.until(() => hosts.agree(1), 'all agree', 5000);
  expect(away.replica(1).snapshotsInstalled).toBe(1);
  scene.expectSound();
});

test('a leader that is deposed in the middle of a stream holds no log for it any more', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 8 }, 100_000);
  scene.fill(80, 60);
  scene.hosts.peers.healAll();
  const { world } = scene.hosts;
  world.until(() => (scene.stream()?.sentBytes ?? 0) > 0, 'the stream begins');
  const heir = scene.hosts.nodes.find((node) => node !== scene.leader && node !== scene.away) as TestNode;
  scene.leader.replica(1).raft.transferLeader(heir.id);
  scene.leader.host.markDirty(scene.leader.replica(1));
  world.until(() => heir.replica(1).serves, 'the heir leads');
  expect(scene.leader.replica(1).policy.streams.status()).toEqual([]);
  expect(scene.leader.host.traffic.slots.inUse).toBe(0);
  world.until(() => scene.hosts.agree(1), 'all agree', 60_000);
  scene.expectSound();
});

test('E63 a snapshot that would fill the disk is refused, and taken once there is room', () => {
  const scene = new Scene({ bytes: 1 << 30, entries: 20 });
  scene.fill(80, 60);
  const { hosts, away } = scene;
  hosts.freeBytes = (node) => (node === away.id ? 100_000 : Infinity);
  hosts.peers.healAll();
  hosts.world.run(10_000);
  expect([away.replica(1).snapshotsInstalled, away.host.receiving(1)]).toEqual([0, null]);
  expect(scene.bulkBytes()).toBe(0);
  const offers = hosts.peers.frames.filter((f) => f.channel === 'bulk' && f.to === away.id).length;
  expect(offers).toBeLessThan(30); // more and more rarely
  hosts.freeBytes = () => Infinity;
  hosts.world.until(() => away.replica(1).snapshotsInstalled > 0, 'a snapshot is installed');
  hosts.world.until(() => hosts.agree(1), 'all agree');
  scene.expectSound();
});
