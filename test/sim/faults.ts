/**
 * What goes wrong, and when: drawn from the seed alone. Each run has its own selection of fault kinds (a swarm: with
 * some kinds off, the others go deeper). `stop` ends the schedule and repairs everything: links, disks, clocks, and
 * every machine runs again.
 *
 * To add a fault: write its action in `KINDS` (it must undo itself, or be undone by `repair`), and say in
 * docs/testing.md what it is good for. Targeted faults, which wait for a moment that matters, are in strikes.ts.
 */
import type { Prng } from '../../src/base/index.js';
import { Strikes } from './strikes.js';
import type { SafetyCheckers } from './checkers.js';
import type { CrashKind, Machine, SimCluster } from './world/cluster.js';
import { WORLD, type Owner, type SimLoop } from './world/loop.js';
import type { SimNetwork, SimNetworkOptions } from './world/network.js';

export interface FaultWorld {
  readonly loop: SimLoop;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly checkers: SafetyCheckers;
  readonly prng: Prng;
  /** The clients, each a process of its own. */
  readonly clients: readonly Owner[];
}

/** Between the end of one action and the next. */
const PAUSE_MS_MAX = 900;
const FAULTS_AT_ONCE = 2;
/** A wall clock is off by at most this: the bound on early expiry that the history check grants follows from it. */
export const CLOCK_OFFSET_MS_MAX = 200;
/** This share of a client's streams does not outlive its being cut off. */
const STREAM_BREAKS = 0.3;
/** A kind of fault is on in this share of the runs. */
const KIND_ON = 0.7;

const KINDS = [
  'crash',
  'long_crash',
  'crash_all',
  'stop',
  'partition',
  'one_way',
  'isolate_leader',
  'cut_client',
  'bad_network',
  'slow_disk',
  'disk_error',
  'clock',
  'strike_election',
  'strike_acknowledgement',
] as const;
export type FaultKind = (typeof KINDS)[number];
const NEED_PEERS: readonly FaultKind[] = ['partition', 'one_way', 'isolate_leader'];

export class Faults {
  partitions = 0;
  clientCuts = 0;
  readonly enabled: FaultKind[];
  private stopped = false;
  private readonly strikes: Strikes;
  /** The network as it was before any fault. */
  private readonly quality: SimNetworkOptions;

  constructor(
    private readonly world: FaultWorld,
    /** Only these; null draws a selection. */
    only: readonly FaultKind[] | null = null,
  ) {
    const { prng } = world;
    const drawn = KINDS.filter(() => prng.chance(KIND_ON));
    const possible = (kind: FaultKind): boolean =>
      world.cluster.machines.length > 1 || !NEED_PEERS.includes(kind);
    this.enabled = (only ? [...only] : drawn).filter(possible);
    if (this.enabled.length === 0) this.enabled.push('crash');
    this.quality = { ...world.network.options };
    this.strikes = new Strikes(world, () => this.next());
  }

  /** Faults overlap: a machine may crash while the network is split. */
  start(): void {
    for (let i = 0; i < FAULTS_AT_ONCE; i++) this.next();
  }

  /** No more faults, and everything is repaired. */
  stop(): void {
    this.stopped = true;
    this.strikes.stop();
    this.repair();
  }

  private next(): void {
    if (this.stopped) return;
    this.later(this.world.prng.below(PAUSE_MS_MAX), () => this.act(this.world.prng.pick(this.enabled)));
  }

  private act(kind: FaultKind): void {
    const { prng, loop } = this.world;
    loop.note(`fault ${kind}`);
    switch (kind) {
      case 'crash':
        return this.crash([this.anyUp()], prng.between(20, 1_500));
      case 'long_crash':
        // Long enough that the others drop the log that the sleeper lacks: it comes back by snapshot.
        return this.crash([this.anyUp()], prng.between(3_000, 7_000));
      case 'crash_all':
        return this.crash(this.up(), prng.between(20, 600), 'power');
      case 'stop':
        return this.orderlyStop(prng.between(20, 1_000));
      case 'partition':
        return this.partition(prng.between(100, 3_000));
      case 'one_way':
        return this.oneWay(prng.between(100, 3_000));
      case 'isolate_leader':
        return this.isolateLeader(prng.between(400, 2_500));
      case 'cut_client':
        return this.cutClient(prng.between(100, 4_000));
      case 'bad_network':
        return this.badNetwork(prng.between(300, 3_000));
      case 'slow_disk':
        return this.slowDisk(prng.between(300, 2_500));
      case 'disk_error':
        return this.diskError();
      case 'clock':
        return this.moveClock();
      case 'strike_election':
        return this.strikes.election();
      case 'strike_acknowledgement':
        return this.strikes.acknowledgement();
    }
  }

  // ---- actions; each calls `next` once it is over ---------------------------------------------------------------

  private crash(machines: readonly (Machine | null)[], downMs: number, kind?: CrashKind): void {
    const { cluster, prng } = this.world;
    for (const machine of machines) {
      if (machine !== null) cluster.crash(machine, kind ?? prng.pick(['kill', 'power'] as const));
    }
    this.later(downMs, () => {
      for (const machine of machines) if (machine !== null) cluster.start(machine);
      this.next();
    });
  }

  private orderlyStop(downMs: number): void {
    const { cluster, loop } = this.world;
    const machine = this.anyUp();
    if (machine !== null) {
      // Not `later`: a machine that is down when the schedule ends is started all the same.
      cluster.stop(machine, () => loop.schedule(WORLD, downMs, () => cluster.start(machine)));
    }
    this.later(downMs, () => this.next());
  }

  /** Two sides that don't hear each other. */
  private partition(durationMs: number): void {
    const { cluster, prng } = this.world;
    const machines = prng.shuffle([...cluster.machines]);
    this.separate(machines.slice(0, prng.between(1, machines.length - 1)), durationMs);
  }

  /** The leader of a group is cut off, with the clients that talk to it: who reads there must not get old values. */
  private isolateLeader(durationMs: number): void {
    const { cluster, prng } = this.world;
    const leaders = cluster.leaders(prng.between(1, cluster.options.shards));
    if (leaders.length === 0) return this.next();
    this.separate([prng.pick(leaders)], durationMs);
  }

  private separate(side: readonly Machine[], durationMs: number): void {
    const { cluster, network } = this.world;
    for (const a of side) {
      for (const b of cluster.machines) {
        if (!side.includes(b)) network.cut(a.nodeId, b.nodeId);
      }
    }
    this.healLater(durationMs);
  }

  /** Some machines are heard and hear nothing, or the reverse. */
  private oneWay(durationMs: number): void {
    const { cluster, network, prng } = this.world;
    const machine = prng.pick(cluster.machines);
    const deaf = prng.chance(0.5);
    for (const other of cluster.machines) {
      if (other === machine || prng.chance(0.2)) continue;
      if (deaf) network.cutOneWay(other.nodeId, machine.nodeId);
      else network.cutOneWay(machine.nodeId, other.nodeId);
    }
    this.healLater(durationMs);
  }

  private healLater(durationMs: number): void {
    this.partitions++;
    this.later(durationMs, () => {
      this.world.network.heal();
      this.next();
    });
  }

  /** Nobody is told: the client has to find out by itself, and its calls still end by their deadlines. */
  private cutClient(durationMs: number): void {
    const { network, clients, prng } = this.world;
    if (clients.length === 0) return this.next();
    const client = prng.pick(clients);
    network.hideClient(client);
    this.clientCuts++;
    this.later(durationMs, () => {
      network.showClient(client, STREAM_BREAKS);
      this.next();
    });
  }

  private badNetwork(durationMs: number): void {
    const { network, prng } = this.world;
    Object.assign(network.options, {
      lossChance: prng.unit() * 0.15,
      duplicateChance: prng.unit() * 0.15,
      reorderChance: prng.unit() * 0.3,
      resetChance: prng.chance(0.5) ? prng.unit() * 0.02 : 0,
      streamResetChance: prng.chance(0.5) ? prng.unit() * 0.01 : 0,
      delayMs: [0.2, prng.between(2, 60)],
    });
    this.later(durationMs, () => {
      this.goodNetwork();
      this.next();
    });
  }

  private slowDisk(durationMs: number): void {
    const { cluster, prng } = this.world;
    const machine = prng.pick(cluster.machines);
    machine.disk.slowFactor = prng.between(5, 200);
    this.later(durationMs, () => {
      machine.disk.slowFactor = 1;
      this.next();
    });
  }

  /** The node must end itself, having acknowledged nothing that it may have lost, and comes back. */
  private diskError(): void {
    const { cluster, prng } = this.world;
    const machine = prng.pick(cluster.machines);
    machine.faultsDue++;
    machine.disk.failNext('store', prng.pick(['EIO', 'ENOSPC'] as const));
    this.next();
  }

  private moveClock(): void {
    const { cluster, prng } = this.world;
    prng.pick(cluster.machines).clock.wallOffsetMs = prng.between(-CLOCK_OFFSET_MS_MAX, CLOCK_OFFSET_MS_MAX);
    this.next();
  }

  // ---- helpers --------------------------------------------------------------------------------------------------

  private up(): Machine[] {
    return this.world.cluster.machines.filter((m) => m.life !== null);
  }

  private anyUp(): Machine | null {
    const up = this.up();
    return up.length === 0 ? null : this.world.prng.pick(up);
  }

  /** Ends with the schedule: `repair` does what would have followed. */
  private later(delayMs: number, run: () => void): void {
    this.world.loop.schedule(WORLD, delayMs, () => {
      if (!this.stopped) run();
    });
  }

  private goodNetwork(): void {
    Object.assign(this.world.network.options, this.quality);
  }

  private repair(): void {
    const { cluster, network, clients } = this.world;
    network.heal();
    for (const client of clients) network.showClient(client, STREAM_BREAKS);
    this.goodNetwork();
    for (const machine of cluster.machines) {
      machine.disk.slowFactor = 1;
      cluster.start(machine);
    }
  }
}
