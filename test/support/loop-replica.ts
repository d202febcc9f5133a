/**
 * One real replica (real core, real state machine) on a host that does nothing by itself: a test takes the turns,
 * and says when a write became durable.
 */
import { MetricsRegistry } from '../../src/base/index.js';
import {
  createGroupMetrics,
  Replica,
  type GroupMetrics,
  type Machine,
  type ReplicaHost,
} from '../../src/group/index.js';
import { createKv, type Kv } from '../../src/kv/index.js';
import { createRaft, type Message, type RaftOptions, type RoleChange } from '../../src/raft/index.js';
import { LoopWorld, quietLogger, throwingFatal } from './loop-world.js';
import { MemoryCheckpointStore, MemoryLogStore } from './loop-stores.js';
import { makeInitial, makeMessage, makeOptions } from './raft-builders.js';

interface Waiting {
  readonly replica: Replica;
  readonly number: number;
  readonly messages: readonly Message[];
}

/** A host whose turns are the test's. */
export class ManualHost implements ReplicaHost {
  readonly nodeId = 1;
  readonly clock;
  readonly store: MemoryLogStore;
  readonly checkpoints: MemoryCheckpointStore;
  readonly metrics: GroupMetrics = createGroupMetrics(new MetricsRegistry());
  readonly observer = null;
  readonly fatal = throwingFatal;
  readonly sent: Message[] = [];
  readonly roles: RoleChange[] = [];
  /** Versions that came into force, and those that said that the replica is no member. */
  readonly configurations: number[] = [];
  readonly removals: number[] = [];
  suspects = 0;
  /** Readys that wait for their write, in order. */
  unsaved: Waiting[] = [];
  private callbacks: (() => void)[] = [];
  private transfers = 0;
  dirty = false;

  constructor(readonly world: LoopWorld) {
    this.clock = world.clock;
    const later = (run: () => void): void => world.timers.soon(run);
    this.store = new MemoryLogStore(later);
    this.checkpoints = new MemoryCheckpointStore(later);
  }

  /** What was persisted so far is durable now. */
  persist(): void {
    const done = this.unsaved;
    this.unsaved = [];
    for (const { replica, number } of done) replica.onPersisted(number);
    for (const { messages } of done) this.sent.push(...messages);
    for (const run of this.callbacks.splice(0)) run();
  }

  trustedWallMs(): number {
    return this.clock.wallMs();
  }

  markDirty(): void {
    this.dirty = true;
  }

  send(_group: number, message: Message): void {
    this.sent.push(message);
  }

  afterPersist(replica: Replica, number: number, mustPersist: boolean, messages: readonly Message[]): void {
    if (!mustPersist && this.unsaved.length === 0) {
      replica.onPersisted(number);
      this.sent.push(...messages);
    } else {
      this.unsaved.push({ replica, number, messages });
    }
  }

  whenDurable(run: () => void): void {
    this.callbacks.push(run);
  }

  /** Replica N stands on node N. */
  nodeOf(_group: number, replica: number): number {
    return replica;
  }

  onConfiguration(replica: Replica): void {
    this.configurations.push(replica.configuration.version);
  }

  onRemoved(_replica: Replica, version: number): void {
    this.removals.push(version);
  }

  onSuspect(): void {
    this.suspects++;
  }

  queueCheckpoint(_replica: Replica, start: (done: () => void) => void): void {
    start(() => undefined);
  }

  sendBulk(): boolean {
    return true;
  }

  nextTransfer(): number {
    return ++this.transfers;
  }

  onRoleChange(_replica: Replica, change: RoleChange): void {
    this.roles.push(change);
  }
}

export class ReplicaUnderTest {
  readonly world = new LoopWorld();
  readonly host = new ManualHost(this.world);
  readonly kv: Kv = createKv({ hashSeed: 7, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 });
  readonly replica: Replica;

  constructor(
    readonly voters: readonly number[] = [1],
    options: Partial<RaftOptions> = {},
    machine: Machine | null = null,
    checkpoints = { bytes: 1 << 30, entries: 1 << 30 },
  ) {
    this.replica = new Replica({
      group: 1,
      id: 1,
      raft: createRaft(makeOptions(1, options), makeInitial(voters)),
      machine: machine ?? this.kv,
      appliedIndex: 0,
      suspect: null,
      checkpointLimits: { ...checkpoints, logBytesMax: Infinity },
      host: this.host,
      logger: quietLogger,
    });
  }

  /** One turn as the host takes it; nothing becomes durable in it. */
  turn(): void {
    this.host.dirty = false;
    this.replica.propose();
    this.replica.askReads();
    this.replica.collect();
    this.replica.applySlice(Infinity);
    this.replica.collect();
  }

  /** Turns and writes until nothing is left to do. */
  settle(): void {
    for (let i = 0; i < 100; i++) {
      this.turn();
      this.host.persist();
      if (!this.host.dirty && this.host.unsaved.length === 0) return;
    }
    throw new Error('the replica never rests');
  }

  /** Makes it lead, with an entry of its own term committed. */
  lead(): this {
    this.replica.raft.campaign();
    this.settle();
    for (const from of this.others()) {
      this.step('vote_response', { from });
      if (this.replica.raft.role === 'leader') break;
    }
    this.settle();
    this.acknowledge();
    this.settle();
    if (!this.replica.serves) throw new Error('does not lead');
    this.host.sent.length = 0;
    return this;
  }

  step(type: Parameters<typeof makeMessage>[0], fields: Record<string, unknown>): void {
    this.replica.step(makeMessage(type, { term: this.replica.raft.term, ...fields }));
  }

  /** The other voters have everything that this one sent. */
  acknowledge(index = this.replica.raft.lastIndex): void {
    for (const from of this.others()) this.step('append_response', { from, index });
  }

  /** The other voters confirm the newest read round. */
  confirmReads(): void {
    const rounds = this.host.sent.filter((m) => m.type === 'read_round');
    const round = Math.max(0, ...rounds.map((m) => m.round));
    for (const from of this.others()) this.step('read_round_response', { from, round });
  }

  others(): number[] {
    return this.voters.filter((id) => id !== 1);
  }

  /** Bytes of the entries in its log, in order. */
  entries(): Uint8Array[] {
    return this.host.store.logOf(1).entries.map((entry) => entry.data);
  }
}
