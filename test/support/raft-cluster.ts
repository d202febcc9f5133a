/**
 * Several replicas of the core around an in-memory network, with disks that keep what was persisted apart from what
 * was only handed out. Nothing happens by itself: a test takes Readys, persists them and delivers messages in the
 * order it likes.
 */
import { createRaft, EntryKind, NO_CONFIGURATION } from '../../src/raft/index.js';
import type {
  Configuration,
  Entry,
  HardState,
  Message,
  Raft,
  RaftOptions,
  ReadOutcome,
  Ready,
  SnapshotMeta,
} from '../../src/raft/index.js';
import { makeOptions, runsOf } from './raft-builders.js';

/** What survives a crash. */
export interface ReplicaDisk {
  hardState: HardState;
  configuration: Configuration;
  configurationIndex: number;
  truncatedIndex: number;
  truncatedTerm: number;
  /** (truncatedIndex, lastIndex]. */
  entries: Entry[];
  /** Applied entries up to a point: the replica's checkpoint. */
  checkpoint: Entry[];
}

export class TestReplica {
  raft: Raft | null;
  /** Readys not durable yet, in order. */
  unsaved: Ready[] = [];
  /** Readys wait in `unsaved` until `persist` is called. */
  slow = false;
  /** The state machine: every entry applied, in order. */
  applied: Entry[];
  reads: ReadOutcome[] = [];
  /** Fetches are left unanswered. */
  holdFetches = false;
  heldFetches: { id: number; lo: number; hi: number }[] = [];
  snapshotsWanted: number[] = [];
  /** The newest configuration that this replica was told it is no member of. */
  removedFromVersion = 0;

  constructor(
    readonly options: RaftOptions,
    readonly disk: ReplicaDisk,
  ) {
    this.applied = [...disk.checkpoint];
    this.raft = this.load();
  }

  get live(): Raft {
    if (this.raft === null) throw new Error(`replica ${this.options.id} is down`);
    return this.raft;
  }

  crash(): void {
    this.raft = null;
    this.unsaved = [];
    this.heldFetches = [];
    this.snapshotsWanted = [];
  }

  start(): void {
    this.applied = [...this.disk.checkpoint];
    this.raft = this.load();
  }

  private load(): Raft {
    const { hardState, configuration, configurationIndex, truncatedIndex, truncatedTerm, entries } =
      this.disk;
    return createRaft(this.options, {
      hardState,
      configuration,
      configurationIndex,
      truncatedIndex,
      truncatedTerm,
      lastIndex: entries.at(-1)?.index ?? truncatedIndex,
      termRuns: runsOf(entries),
      appliedIndex: Math.max(this.applied.length, truncatedIndex),
    });
  }
}

export interface ClusterHooks {
  onReady?(replica: TestReplica, ready: Ready): void;
  /** Before what waited for it is sent. */
  onPersisted?(replica: TestReplica, ready: Ready): void;
  onApply?(replica: TestReplica, entry: Entry): void;
}

export class RaftCluster {
  readonly replicas = new Map<number, TestReplica>();
  /** In flight, oldest first. */
  network: Message[] = [];
  /** "1>2": messages from 1 to 2 are lost. */
  readonly cuts = new Set<string>();
  /** State by snapshot index: equal everywhere, since it is committed. */
  private readonly snapshots = new Map<number, Entry[]>();

  constructor(
    readonly configuration: Configuration,
    private readonly optionsOf: (id: number) => Partial<RaftOptions> = () => ({}),
    disks: ReadonlyMap<number, Partial<ReplicaDisk>> = new Map(),
    readonly hooks: ClusterHooks = {},
  ) {
    const ids = new Set([...configuration.voters, ...configuration.outgoing, ...configuration.learners]);
    for (const id of ids) this.create(id, { configuration, ...disks.get(id) });
  }

  /** A fresh replica that knows of nobody, unless its disk says otherwise. */
  create(id: number, disk: Partial<ReplicaDisk> = {}): TestReplica {
    const whole: ReplicaDisk = {
      hardState: { term: 0, vote: 0, commit: 0 },
      configuration: NO_CONFIGURATION,
      configurationIndex: 0,
      truncatedIndex: 0,
      truncatedTerm: 0,
      entries: [],
      checkpoint: [],
      ...disk,
    };
    const replica = new TestReplica(makeOptions(id, this.optionsOf(id)), whole);
    this.replicas.set(id, replica);
    return replica;
  }

  at(id: number): TestReplica {
    const replica = this.replicas.get(id);
    if (!replica) throw new Error(`no replica ${id}`);
    return replica;
  }

  raft(id: number): Raft {
    return this.at(id).live;
  }

  ids(): number[] {
    return [...this.replicas.keys()];
  }

  leader(): Raft | null {
    let leader: Raft | null = null;
    for (const { raft } of this.replicas.values()) {
      if (raft?.role === 'leader' && raft.term > (leader?.term ?? 0)) leader = raft;
    }
    return leader;
  }

  /** Takes one Ready and does what it asks for; persisting waits on a slow replica. */
  take(id: number): Ready {
    const replica = this.at(id);
    const raft = replica.live;
    const ready = raft.ready();
    this.hooks.onReady?.(replica, ready);
    this.network.push(...ready.messages);
    replica.reads.push(...ready.reads);
    replica.snapshotsWanted.push(...ready.snapshotsWanted);
    replica.removedFromVersion = Math.max(replica.removedFromVersion, ready.removedFromVersion);
    if (ready.snapshot !== null) replica.applied = [...this.snapshotAt(ready.snapshot.index)];
    replica.unsaved.push(ready);
    if (!replica.slow || (!ready.mustPersist && replica.unsaved.length === 1)) this.persist(id);
    this.apply(replica, ready.committed);
    for (const fetch of ready.fetches) {
      if (replica.holdFetches) replica.heldFetches.push(fetch);
      else raft.onFetched(fetch.id, this.readLog(replica, fetch.lo, fetch.hi));
    }
    return ready;
  }

  /** Makes the oldest `count` unsaved Readys durable; all by default. */
  persist(id: number, count = Infinity): void {
    const replica = this.at(id);
    for (let i = 0; i < count; i++) {
      const ready = replica.unsaved.shift();
      if (!ready) return;
      if (ready.mustPersist)
        save(replica.disk, ready, replica.live.configuration, (index) => this.snapshotAt(index));
      this.hooks.onPersisted?.(replica, ready);
      replica.live.onPersisted(ready.number);
      this.network.push(...ready.messagesAfterPersist);
    }
  }

  /** Power is cut. Of the Readys that wait for the disk the first `saved` made it there, unknown to the core. */
  crash(id: number, saved = 0): void {
    const replica = this.at(id);
    for (const ready of replica.unsaved.slice(0, saved)) {
      if (ready.mustPersist)
        save(replica.disk, ready, replica.live.configuration, (index) => this.snapshotAt(index));
    }
    replica.crash();
  }

  /** Delivers one message, unless its way is cut or its receiver down; returns whether it arrived. */
  deliver(message: Message): boolean {
    const replica = this.replicas.get(message.to);
    if (!replica?.raft || this.cuts.has(`${message.from}>${message.to}`)) return false;
    replica.raft.step(message);
    return true;
  }

  /** Takes Readys and delivers until nothing moves. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      let moved = false;
      for (const [id, replica] of this.replicas) {
        while (replica.raft?.hasReady()) {
          this.take(id);
          moved = true;
        }
      }
      const messages = this.network;
      this.network = [];
      for (const message of messages) if (this.deliver(message)) moved = true;
      if (!moved) return;
    }
    throw new Error('the cluster does not come to rest');
  }

  tick(id: number, count = 1): void {
    for (let i = 0; i < count; i++) this.raft(id).tick(true);
  }

  /** Ticks everybody that is up, and lets the messages of each tick arrive. */
  run(ticks: number): void {
    for (let i = 0; i < ticks; i++) {
      for (const { raft } of this.replicas.values()) raft?.tick(true);
      this.settle();
    }
  }

  cut(a: number, b: number): void {
    this.cuts.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  isolate(id: number): void {
    for (const other of this.ids()) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    this.cuts.clear();
  }

  /** Writes a checkpoint at the applied index and drops the log up to `index`. */
  compact(id: number, index: number): void {
    const replica = this.at(id);
    const { disk, live: raft } = replica;
    disk.checkpoint = [...replica.applied];
    disk.truncatedTerm = raft.termAt(index);
    disk.truncatedIndex = index;
    disk.entries = disk.entries.filter((entry) => entry.index > index);
    raft.onCompacted(index);
  }

  /** A snapshot of the replica's applied state, as its host would stream it. */
  snapshotOf(id: number): SnapshotMeta {
    const { applied, disk, live: raft } = this.at(id);
    const index = applied.length;
    this.snapshots.set(index, [...applied]);
    return { index, term: raft.termAt(index), configuration: disk.configuration };
  }

  snapshotMessage(from: number, to: number, snapshot = this.snapshotOf(from)): Message {
    const { term, configuration } = this.raft(from);
    return { type: 'snapshot', from, to, term, configurationVersion: configuration.version, snapshot };
  }

  snapshotAt(index: number): Entry[] {
    const state = this.snapshots.get(index);
    if (!state) throw new Error(`no snapshot at ${index}`);
    return state;
  }

  /** Answers the fetches held back on a replica. */
  releaseFetches(id: number): void {
    const replica = this.at(id);
    const held = replica.heldFetches;
    replica.heldFetches = [];
    for (const fetch of held) replica.live.onFetched(fetch.id, this.readLog(replica, fetch.lo, fetch.hi));
  }

  private readLog(replica: TestReplica, lo: number, hi: number): Entry[] | null {
    if (lo <= replica.disk.truncatedIndex) return null;
    const entries = replica.disk.entries.filter((entry) => entry.index >= lo && entry.index < hi);
    // The store may answer with fewer than were asked for.
    return entries.slice(0, 3);
  }

  private apply(replica: TestReplica, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const expected = replica.applied.length + 1;
      if (entry.index !== expected) throw new Error(`applied ${entry.index}, ${expected} was next`);
      if (entry.kind === EntryKind.configuration) {
        const target = replica.live.targetOf(entry);
        if (target !== null) {
          replica.disk.configuration = target;
          replica.disk.configurationIndex = entry.index;
          replica.live.applyConfiguration(target);
        }
      }
      replica.applied.push(entry);
      this.hooks.onApply?.(replica, entry);
    }
    const last = entries.at(-1);
    if (last) replica.live.onApplied(last.index);
  }
}

/** One atomic batch. */
function save(
  disk: ReplicaDisk,
  ready: Ready,
  inForce: Configuration,
  snapshotAt: (index: number) => Entry[],
): void {
  if (ready.snapshot !== null) {
    const { index, term } = ready.snapshot;
    disk.truncatedIndex = index;
    disk.truncatedTerm = term;
    disk.configuration = inForce;
    disk.configurationIndex = index;
    disk.entries = [];
    disk.checkpoint = [...snapshotAt(index)];
  }
  if (ready.hardState !== null) disk.hardState = ready.hardState;
  const first = ready.entries[0];
  if (!first) return;
  const kept = disk.entries.filter((entry) => entry.index < first.index);
  const end = kept.at(-1)?.index ?? disk.truncatedIndex;
  if (first.index !== end + 1) throw new Error(`entries from ${first.index} persisted behind ${end}`);
  disk.entries = [...kept, ...ready.entries];
}
