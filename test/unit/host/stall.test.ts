/** E113: an event loop that stood still. Timers fire before the sockets are read, and late. The test is the loop. */
import { expect, test } from 'vitest';
import { MetricsRegistry } from '../../../src/base/index.js';
import { RaftFrameWriter } from '../../../src/codec/index.js';
import { Replica } from '../../../src/group/index.js';
import { Host } from '../../../src/host/index.js';
import { createKv } from '../../../src/kv/index.js';
import type { Timers } from '../../../src/ports/index.js';
import { createRaft } from '../../../src/raft/index.js';
import { MemoryCheckpointStore, MemoryLogStore } from '../../support/loop-stores.js';
import { LoopWorld, quietLogger, throwingFatal } from '../../support/loop-world.js';
import { makeInitial, makeMessage, makeOptions } from '../../support/raft-builders.js';

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

function follower(): { timers: ManualTimers; host: Host; replica: Replica; heartbeat: () => void } {
  const timers = new ManualTimers();
  const world = new LoopWorld();
  const host = new Host({
    nodeId: 1,
    bootNumber: 1,
    tickMs: 10,
    clock: world.clock,
    timers,
    logger: quietLogger,
    metrics: new MetricsRegistry(),
    store: new MemoryLogStore((run) => run()),
    checkpoints: new MemoryCheckpointStore((run) => run()),
    peers: {
      start: () => undefined,
      setAddress: () => undefined,
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
  const options = makeOptions(1, { electionTicks: ELECTION_TICKS, random: () => 0, preVote: true });
  const replica = new Replica({
    group: 1,
    id: 1,
    raft: createRaft(options, makeInitial(voters)),
    machine: createKv({ hashSeed: 1, valueBytesMax: 100, firstSlot: 0, lastSlot: 16383 }),
    appliedIndex: 0,
    suspect: null,
    checkpointLimits: { bytes: 1 << 30, entries: 1 << 30, logBytesMax: Infinity },
    host,
    logger: quietLogger,
  });
  host.addReplica(replica);
  host.start();
  const heartbeat = (): void => {
    const writer = new RaftFrameWriter();
    writer.begin({ node: 2, bootNumber: 1, wallMs: world.clock.wallMs(), mapVersion: 1 });
    writer.add(1, makeMessage('heartbeat', { from: 2, to: 1, term: 1, commit: 0 }));
    host.onRaftFrame(2, writer.finish());
  };
  heartbeat();
  timers.turn();
  return { timers, host, replica, heartbeat };
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
