/** E113: an event loop that stood still. Timers fire before the sockets are read, and late. The test is the loop. */
import { expect, test } from 'vitest';
import { MetricsRegistry } from '../../../src/base/index.js';
import { RaftFrameWriter } from '../../../src/codec/index.js';
import { Replica } from '../../../src/group/index.js';
import { Host } from '../../../src/host/index.js';
import { createKv } from '../../../src/kv/index.js';
import type { Timers } from '../../../src/ports/index.js';
import { createRaft, type Message } from '../../../src/raft/index.js';
import { MemoryCheckpointStore, MemoryLogStore } from '../../support/loop-stores.js';
import { LoopWorld, quietLogger, throwingFatal } from '../../support/loop-world.js';
import { makeEntries, makeInitial, makeMessage, makeOptions } from '../../support/raft-builders.js';

const ELECTION_TICKS = 5;

class ManualTimers implements Timers {
  readonly due: (() => void)[] = [];
  readonly turns: (() => void)[] = [];

  after(_delayMs: number, run: () => void): () => void {
    this.due.push(run);
    return () => undefined;
  }

  soon(run: () => void): void {
    this.turns.push(run);
  }

  /** Timers that are due, as Node fires them: before anything is read. */
  fire(): void {
    for (const run of this.due.splice(0)) run();
  }

  turn(): void {
    for (let i = 0; i < 100 && this.turns.length > 0; i++) for (const run of this.turns.splice(0)) run();
  }
}

interface Follower {
  timers: ManualTimers;
  world: LoopWorld;
  host: Host;
  replica: Replica;
  /** A heartbeat of the leader arrives; with `quiesce` it offers to stop the group's clock. */
  heartbeat: (quiesce?: boolean) => void;
  /** An empty frame of the leader's node arrives. */
  sign: () => void;
}

function follower(): Follower {
  const timers = new ManualTimers();
  const world = new LoopWorld();
  const host = new Host({
    nodeId: 1,
    bootNumber: 1,
    tickMs: 10,
    diskStallMs: 1000,
    snapshotBytesPerSecond: 1 << 30,
    hasRoomFor: () => true,
    heartbeatTicks: 2,
    electionTicks: ELECTION_TICKS,
    clock: world.clock,
    timers,
    logger: quietLogger,
    metrics: new MetricsRegistry(),
    store: new MemoryLogStore((run) => run()),
    checkpoints: new MemoryCheckpointStore((run) => run()),
    peers: {
      start: () => undefined,
      setAddress: () => undefined,
      setVersions: () => undefined,
      send: () => true,
      stop: () => undefined,
    },
    observer: null,
    fatal: throwingFatal,
    nodeOf: (_group, replica: number) => replica,
    mapVersion: () => 1,
    onRoleChange: () => undefined,
    onMapVersion: () => undefined,
    onUnknownReplica: () => undefined,
    onConfiguration: () => undefined,
    onRemoved: () => undefined,
    onSuspect: () => undefined,
  });
  const voters = [1, 2, 3];
  const hardState = { term: 1, vote: 2, commit: 1 };
  const options = makeOptions(1, {
    electionTicks: ELECTION_TICKS,
    random: () => 0,
    preVote: true,
    quiesceTicks: 1,
  });
  const replica = new Replica({
    group: 1,
    id: 1,
    raft: createRaft(options, makeInitial(voters, makeEntries([1]), { hardState, appliedIndex: 1 })),
    machine: createKv({ hashSeed: 1, valueBytesMax: 100, firstSlot: 0, lastSlot: 16383 }),
    appliedIndex: 1,
    suspect: null,
    checkpointLimits: { bytes: 1 << 30, entries: 1 << 30, logBytesMax: Infinity },
    host,
    logger: quietLogger,
  });
  host.addReplica(replica);
  host.start();
  const frame = (message: Message | null): void => {
    const writer = new RaftFrameWriter();
    writer.begin({ node: 2, bootNumber: 1, wallMs: world.clock.wallMs(), mapVersion: 1 });
    if (message !== null) writer.add(1, message);
    host.onRaftFrame(2, writer.finish());
  };
  const heartbeat = (quiesce = false): void =>
    frame(makeMessage('heartbeat', { from: 2, to: 1, term: 1, commit: 1, quiesce }));
  heartbeat();
  timers.turn();
  return { timers, world, host, replica, heartbeat, sign: () => frame(null) };
}

test('E113 silence for an election time-out makes a follower campaign', () => {
  const { timers, replica } = follower();
  for (let i = 0; i < ELECTION_TICKS + 1; i++) {
    timers.fire();
    timers.turn();
  }
  expect(replica.raft.role).toBe('precandidate');
});

test('E113 a tick that fires before waiting heartbeats are read decides no election', () => {
  const { timers, replica, heartbeat } = follower();
  for (let i = 0; i < 50; i++) {
    for (let k = 0; k < ELECTION_TICKS - 1; k++) {
      timers.fire();
      timers.turn();
    }
    // The tick that would be the last one: its timer fires, then the socket is read, then the turn comes.
    timers.fire();
    heartbeat();
    timers.turn();
    expect(replica.raft.role).toBe('follower');
  }
});

test('E113 ticks missed in a stall count once', () => {
  const { timers, replica } = follower();
  for (let i = 0; i < ELECTION_TICKS - 2; i++) {
    timers.fire();
    timers.fire();
    timers.fire(); // three periods passed without a turn
    timers.turn();
  }
  expect(replica.raft.role).toBe('follower');
});

/** One tick's time passes, and the loop turns. */
function passTick({ timers, world }: Follower): void {
  world.run(10);
  timers.fire();
  timers.turn();
}

test('E113 a stall wakes no quiet group while signs of its leader’s node wait in the socket', () => {
  const node = follower();
  const { timers, world, replica } = node;
  node.heartbeat(true);
  timers.turn();
  expect(replica.raft.quiesced).toBe(true);
  for (let i = 0; i < 100; i++) {
    // Timers fire first, and so late that the node counts as silent by far; then the socket is read.
    world.run(1500);
    timers.fire();
    if (i % 2 === 0) node.sign();
    timers.turn();
    if (i % 2 === 1) node.sign(); // or only after the turn: a late tick judges nobody
    for (let k = 0; k < ELECTION_TICKS - 1; k++) passTick(node);
    node.sign();
    expect(replica.raft.quiesced).toBe(true);
  }
});

test.each([
  ['four election time-outs', 4, false],
  ['one election time-out, its link being down,', 1, true],
])(
  'E111 E113 silence of the leader’s node for %s wakes a quiet follower, and it campaigns',
  (_what, factor, isDown) => {
    const node = follower();
    node.heartbeat(true);
    node.timers.turn();
    if (isDown) node.host.onLinkDown(2, 'raft');
    for (let i = 0; i < factor * ELECTION_TICKS - 1; i++) passTick(node);
    expect(node.replica.raft.quiesced).toBe(true);
    for (let i = 0; i < 3; i++) passTick(node);
    expect(node.replica.raft.role).toBe('precandidate');
  },
);
