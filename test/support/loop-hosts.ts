/** Nodes with a real host and real replicas of some groups, wired over memory: everything but sockets and disks. */
import { MetricsRegistry, type GroupId } from '../../src/base/index.js';
import { Replica } from '../../src/group/index.js';
import { Host, type HostOptions } from '../../src/host/index.js';
import { createKv, type Kv } from '../../src/kv/index.js';
import { createRaft, type RoleChange } from '../../src/raft/index.js';
import { MemoryPeers } from './loop-peers.js';
import { MemoryCheckpointStore, MemoryLogStore } from './loop-stores.js';
import { LoopWorld, quietLogger } from './loop-world.js';
import { makeInitial, makeOptions } from './raft-builders.js';

export const TICK_MS = 10;

export class TestNode {
  readonly clock;
  readonly host: Host;
  readonly store: MemoryLogStore;
  readonly checkpoints: MemoryCheckpointStore;
  readonly metrics = new MetricsRegistry();
  readonly machines = new Map<GroupId, Kv>();
  readonly unknown: { group: GroupId; to: number }[] = [];
  readonly removals: { group: GroupId; version: number }[] = [];
  readonly roles: { group: GroupId; change: RoleChange }[] = [];
  readonly fatals: string[] = [];
  readonly newMaps: number[] = [];

  constructor(
    readonly cluster: TestHosts,
    readonly id: number,
    wallOffsetMs: number,
  ) {
    const { world } = cluster;
    this.clock = world.nodeClock(wallOffsetMs);
    const timers = world.timersOf(this.clock);
    this.store = new MemoryLogStore((run) => timers.after(cluster.flushMs(id), run));
    this.checkpoints = new MemoryCheckpointStore((run) => timers.soon(run));
    const options: HostOptions = {
      nodeId: id,
      bootNumber: 1,
      tickMs: TICK_MS,
      clock: this.clock,
      timers,
      logger: quietLogger,
      metrics: this.metrics,
      store: this.store,
      checkpoints: this.checkpoints,
      peers: cluster.peers.networkOf(id),
      observer: null,
      fatal: (reason) => this.fatals.push(reason),
      // Replica N of every group stands on node N.
      nodeOf: (_group, replica: number) => replica,
      mapVersion: () => 1,
      onRoleChange: (replica, change) => this.roles.push({ group: replica.group, change }),
      onMapVersion: (_from, version) => this.newMaps.push(version),
      onUnknownReplica: (group, message) => this.unknown.push({ group, to: message.to }),
      onConfiguration: () => undefined,
      onRemoved: (replica, version) => this.removals.push({ group: replica.group, version }),
      onSuspect: () => undefined,
    };
    this.host = new Host(options);
    cluster.peers.attach(id, {
      onFrame: (from, channel, frame) => {
        if (channel === 'raft') this.host.onRaftFrame(from, frame);
        if (channel === 'bulk') this.host.onBulkFrame(from, frame);
      },
      onLinkDown: (node, channel) => this.host.onLinkDown(node, channel),
      onDrain: (node, channel) => {
        if (channel === 'bulk') this.host.onBulkDrain(node);
      },
    });
  }

  addReplica(
    group: GroupId,
    voters: readonly number[],
    checkpoints = { bytes: 1 << 30, entries: 1 << 30 },
  ): Replica {
    const prng = this.cluster.world.prng.stream(`raft ${this.id} ${group}`);
    const machine = createKv({ hashSeed: group, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 });
    this.machines.set(group, machine);
    const replica = new Replica({
      group,
      id: this.id,
      raft: createRaft(
        makeOptions(this.id, { random: (limit) => prng.below(limit), preVote: true, checkQuorum: true }),
        makeInitial(voters),
      ),
      machine,
      appliedIndex: 0,
      suspect: null,
      checkpointLimits: { ...checkpoints, logBytesMax: Infinity },
      host: this.host,
      logger: quietLogger,
    });
    this.host.addReplica(replica);
    return replica;
  }

  replica(group: GroupId): Replica {
    const replica = this.host.replica(group);
    if (replica === null) throw new Error(`no replica of group ${group} on node ${this.id}`);
    return replica;
  }

  count(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const family = this.metrics.list().find((f) => f.name === name);
    let sum = 0;
    for (const { labels: own, cell } of family?.cells ?? []) {
      const agrees = Object.entries(labels).every(([key, value]) => own[key] === value);
      if (agrees && 'value' in cell) sum += cell.value;
    }
    return sum;
  }
}

export class TestHosts {
  readonly world: LoopWorld;
  readonly peers: MemoryPeers;
  readonly nodes: TestNode[] = [];
  flushMs: (node: number) => number = () => 2;

  constructor(
    count: number,
    options: { seed?: number; remember?: boolean; wallOffsetsMs?: readonly number[] } = {},
  ) {
    this.world = new LoopWorld(options.seed);
    this.peers = new MemoryPeers(this.world.loop, options.remember ?? false);
    for (let id = 1; id <= count; id++) {
      this.nodes.push(new TestNode(this, id, options.wallOffsetsMs?.[id - 1] ?? 0));
    }
  }

  node(id: number): TestNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  addGroup(group: GroupId, checkpoints?: { bytes: number; entries: number }): void {
    const voters = this.nodes.map((node) => node.id);
    for (const node of this.nodes) node.addReplica(group, voters, checkpoints);
  }

  start(): this {
    for (const node of this.nodes) node.host.start();
    return this;
  }

  /** Waits for a leader that serves; of several (one may not know yet) the one with the highest term. */
  leader(group: GroupId, except: number = 0): TestNode {
    const serving = (): TestNode[] =>
      this.nodes.filter((node) => node.id !== except && node.host.replica(group)?.serves === true);
    this.world.until(() => serving().length > 0, `group ${group} has a leader`);
    return serving().sort((a, b) => b.replica(group).raft.term - a.replica(group).raft.term)[0] as TestNode;
  }

  /** Whether all replicas of the group applied the same, and hold the same. */
  agree(group: GroupId): boolean {
    const first = this.node(1).replica(group);
    return this.nodes.every((node) => {
      const replica = node.replica(group);
      return (
        replica.appliedIndex === first.appliedIndex &&
        replica.machine.stateHash() === first.machine.stateHash() &&
        replica.appliedIndex === replica.raft.lastIndex
      );
    });
  }
}
