/**
 * Plays a plan of faults (fault-plan.ts) on a cluster. Every fault ends by itself, and may overlap with others;
 * `stop` ends them all and repairs everything: links, disks, clocks, and every machine runs again.
 *
 * To add a fault: name it in fault-plan.ts, write its action here (it draws from its own generator alone, and undoes
 * itself or is undone by `repair`), and say in docs/testing.md what it is good for. What disks do wrong is in
 * disk-faults.ts; faults that wait for a moment that matters are in strikes.ts.
 */
import type { Prng } from '../../src/base/index.js';
import type { SafetyCheckers } from './checkers.js';
import { DiskFaults } from './disk-faults.js';
import type { FaultKind, PlannedFault } from './fault-plan.js';
import { changeMembers } from './membership-faults.js';
import { Strikes } from './strikes.js';
import type { Swarm } from './swarm.js';
import type { CrashKind, Machine, SimCluster } from './world/cluster.js';
import { WORLD, type Owner, type SimLoop } from './world/loop.js';
import type { SimNetwork, SimNetworkOptions } from './world/network.js';

export interface FaultWorld {
  readonly loop: SimLoop;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly checkers: SafetyCheckers;
  readonly swarm: Swarm;
  /** The clients, each a process of its own. */
  readonly clients: readonly Owner[];
}

/** A wall clock is off by at most this: the bounds on expiry that the history check grants follow from it. */
export const CLOCK_OFFSET_MS_MAX = 200;
/** What a `clock_jump` jumps by. */
const JUMPS_MS = [1_500, 60_000, 3_600_000, 315_360_000_000] as const;
/** This share of a client's streams does not outlive its being cut off. */
const STREAM_BREAKS = 0.3;
/** How long a rolling restart waits for a node to be ready before it goes on to the next. */
const READY_MS_MAX = 3_000;

export class Faults {
  partitions = 0;
  clientCuts = 0;
  /** The furthest that a `clock_jump` put a clock off, each way. */
  readonly jumps = { aheadMs: 0, behindMs: 0 };
  /** What was played. */
  readonly played: PlannedFault[] = [];
  private stopped = false;
  private readonly strikes: Strikes;
  private readonly disks: DiskFaults;
  /** The network as it was before any fault. */
  private readonly quality: SimNetworkOptions;
  /** Machines that are down on purpose, by how many faults. */
  private readonly downs = new Map<Machine, number>();
  /** Directed cuts as 'from>to', by how many faults. */
  private readonly cuts = new Map<string, number>();

  constructor(
    private readonly world: FaultWorld,
    private readonly plan: readonly PlannedFault[],
  ) {
    this.quality = { ...world.network.options };
    this.strikes = new Strikes(world);
    this.disks = new DiskFaults(world, (delayMs, run) => this.later(delayMs, run));
  }

  start(): void {
    for (const fault of this.plan) {
      this.later(fault.atMs, () => {
        this.played.push(fault);
        this.world.loop.note(`fault ${fault.number} ${fault.kind}`);
        this.act(fault.kind, fault.prng);
      });
    }
  }

  /** No more faults, and everything is repaired. */
  stop(): void {
    this.stopped = true;
    this.strikes.stop();
    this.repair();
  }

  private act(kind: FaultKind, prng: Prng): void {
    switch (kind) {
      case 'crash':
        return this.crash(this.anyUp(prng), prng, prng.between(20, 800));
      case 'long_crash':
        // Long enough that the others drop the log that the sleeper lacks: it comes back by snapshot.
        return this.crash(this.anyUp(prng), prng, prng.between(2_000, 5_000));
      case 'crash_all':
        return this.crash(this.up(), prng, prng.between(20, 600), 'power');
      case 'stop':
        return this.orderlyStop(this.anyUp(prng)[0], prng.between(20, 1_000));
      case 'rolling_restart':
        return this.rollingRestart(prng.shuffle([...this.world.cluster.machines]), prng.between(10, 300));
      case 'pause':
        return this.pause(this.anyUp(prng)[0], prng.between(50, prng.chance(0.2) ? 6_500 : 1_000));
      case 'partition':
        return this.partition(prng);
      case 'one_way':
        return this.oneWay(prng);
      case 'isolate_leader':
        return this.isolateLeader(prng);
      case 'cut_client':
        return this.cutClient(prng);
      case 'bad_network':
        return this.badNetwork(prng);
      case 'clock':
        return this.moveClock(prng);
      case 'clock_jump':
        return this.jumpClock(prng);
      case 'clock_drift':
        return this.driftClock(prng);
      case 'transfer':
        return this.transfer(prng);
      case 'membership':
        return changeMembers(this.world, prng);
      case 'strike_election':
        return this.strikes.election(prng);
      case 'strike_acknowledgement':
        return this.strikes.acknowledgement(prng);
      default:
        return this.disks.act(kind, prng, (machine, downMs) => this.crash([machine], prng, downMs));
    }
  }

  // ---- processes ------------------------------------------------------------------------------------------------

  private crash(machines: readonly Machine[], prng: Prng, downMs: number, kind?: CrashKind): void {
    const { cluster } = this.world;
    for (const machine of machines) {
      cluster.crash(machine, kind ?? prng.pick(['kill', 'power'] as const));
      this.keepDown(machine);
    }
    this.later(downMs, () => {
      for (const machine of machines) this.release(machine);
    });
  }

  private orderlyStop(machine: Machine | undefined, downMs: number): void {
    if (machine === undefined) return;
    const { cluster, loop } = this.world;
    this.keepDown(machine);
    // Not `later`: a machine that is still stopping when the schedule ends is started all the same.
    cluster.stop(machine, () => loop.schedule(WORLD, 0, () => this.startIfFree(machine)));
    this.later(downMs, () => this.release(machine));
  }

  /** One machine after the other, each once the one before is ready again, or has had its time. */
  private rollingRestart(machines: readonly Machine[], downMs: number): void {
    const [machine, ...rest] = machines;
    if (machine === undefined) return;
    const { cluster, loop } = this.world;
    const goOn = (untilMs: number): void => {
      const isReady = cluster.status(machine)?.ready === true;
      if (isReady || loop.now() > untilMs) this.rollingRestart(rest, downMs);
      else this.later(20, () => goOn(untilMs));
    };
    this.orderlyStop(machine, downMs);
    this.later(downMs + 50, () => goOn(loop.now() + READY_MS_MAX));
  }

  /** The process stands still, as by SIGSTOP, and goes on with everything that came meanwhile. */
  private pause(machine: Machine | undefined, durationMs: number): void {
    if (machine === undefined) return;
    const { cluster } = this.world;
    cluster.pause(machine);
    this.later(durationMs, () => cluster.resume(machine));
  }

  private transfer(prng: Prng): void {
    const { cluster } = this.world;
    const leading = this.up().flatMap((machine) =>
      (cluster.status(machine)?.replicas ?? [])
        .filter(({ role }) => role === 'leader')
        .map(({ group, configuration }) => ({ machine, group, configuration })),
    );
    if (leading.length === 0) return;
    const { machine, group, configuration } = prng.pick(leading);
    const others = configuration.homes.filter(({ node }) => node !== machine.nodeId);
    if (others.length > 0) cluster.transfer(machine, group, prng.pick(others).node);
  }

  // ---- network --------------------------------------------------------------------------------------------------

  /** Two sides that don't hear each other. */
  private partition(prng: Prng): void {
    const machines = prng.shuffle([...this.world.cluster.machines]);
    const side = machines.slice(0, prng.between(1, machines.length - 1));
    this.separate(side, prng.between(100, 1_800));
  }

  /** The leader of a group is cut off, with the clients that talk to it: who reads there must not get old values. */
  private isolateLeader(prng: Prng): void {
    const { cluster } = this.world;
    const leaders = cluster.leaders(prng.between(1, cluster.options.shards));
    if (leaders.length > 0) this.separate([prng.pick(leaders)], prng.between(300, 1_500));
  }

  private separate(side: readonly Machine[], durationMs: number): void {
    const pairs: [Machine, Machine][] = [];
    for (const a of side) {
      for (const b of this.world.cluster.machines) if (!side.includes(b)) pairs.push([a, b], [b, a]);
    }
    this.cut(pairs, durationMs);
  }

  /** Some machines are heard and hear nothing, or the reverse. */
  private oneWay(prng: Prng): void {
    const { cluster } = this.world;
    const machine = prng.pick(cluster.machines);
    const isDeaf = prng.chance(0.5);
    const pairs: [Machine, Machine][] = [];
    for (const other of cluster.machines) {
      if (other === machine || prng.chance(0.2)) continue;
      pairs.push(isDeaf ? [other, machine] : [machine, other]);
    }
    this.cut(pairs, prng.between(100, 1_800));
  }

  private cut(pairs: readonly [Machine, Machine][], durationMs: number): void {
    const { network } = this.world;
    this.partitions++;
    for (const [from, to] of pairs) {
      const name = `${from.nodeId}>${to.nodeId}`;
      this.cuts.set(name, (this.cuts.get(name) ?? 0) + 1);
      network.cutOneWay(from.nodeId, to.nodeId);
    }
    this.later(durationMs, () => {
      for (const [from, to] of pairs) {
        const name = `${from.nodeId}>${to.nodeId}`;
        const left = (this.cuts.get(name) ?? 1) - 1;
        this.cuts.set(name, left);
        if (left === 0) network.healOneWay(from.nodeId, to.nodeId);
      }
    });
  }

  /** Nobody is told: the client has to find out by itself, and its calls still end by their deadlines. */
  private cutClient(prng: Prng): void {
    const { network, clients } = this.world;
    if (clients.length === 0) return;
    const client = prng.pick(clients);
    network.hideClient(client);
    this.clientCuts++;
    this.later(prng.between(100, 4_000), () => network.showClient(client, STREAM_BREAKS));
  }

  private badNetwork(prng: Prng): void {
    const worse: Partial<SimNetworkOptions> = {
      loss: prng.unit() * 0.15,
      duplicate: prng.unit() * 0.15,
      reorder: prng.unit() * 0.3,
      resetChance: prng.chance(0.5) ? prng.unit() * 0.02 : 0,
      streamResetChance: prng.chance(0.5) ? prng.unit() * 0.01 : 0,
      delayMs: [0.2, prng.between(2, 60)],
    };
    Object.assign(this.world.network.options, worse);
    this.later(prng.between(300, 3_000), () => this.goodNetwork());
  }

  // ---- clocks ---------------------------------------------------------------------------------------------------

  private moveClock(prng: Prng): void {
    prng.pick(this.world.cluster.machines).clock.wallOffsetMs = smallOffset(prng);
  }

  /** One wall clock at a time is far off, for a while: a majority knows better. */
  private jumpClock(prng: Prng): void {
    const { machines } = this.world.cluster;
    if (machines.some((m) => Math.abs(m.clock.wallOffsetMs) > CLOCK_OFFSET_MS_MAX)) return;
    const { clock } = prng.pick(machines);
    const offsetMs = prng.pick(JUMPS_MS) * (prng.chance(0.6) ? 1 : -1);
    clock.wallOffsetMs = offsetMs;
    this.jumps.aheadMs = Math.max(this.jumps.aheadMs, offsetMs);
    this.jumps.behindMs = Math.max(this.jumps.behindMs, -offsetMs);
    const back = smallOffset(prng);
    this.later(prng.between(100, 5_000), () => {
      clock.wallOffsetMs = back;
    });
  }

  /** A monotonic clock that is off by up to a twentieth, as that of a machine under a busy hypervisor. */
  private driftClock(prng: Prng): void {
    const { clock } = prng.pick(this.world.cluster.machines);
    clock.setRate(0.95 + prng.unit() * 0.1);
    this.later(prng.between(500, 5_000), () => clock.setRate(0));
  }

  // ---- helpers --------------------------------------------------------------------------------------------------

  private up(): Machine[] {
    return this.world.cluster.machines.filter((m) => m.life !== null);
  }

  /** A machine that is up; none when all are down. */
  private anyUp(prng: Prng): Machine[] {
    const up = this.up();
    return up.length === 0 ? [] : [prng.pick(up)];
  }

  private keepDown(machine: Machine): void {
    this.downs.set(machine, (this.downs.get(machine) ?? 0) + 1);
  }

  private release(machine: Machine): void {
    this.downs.set(machine, (this.downs.get(machine) ?? 1) - 1);
    this.startIfFree(machine);
  }

  private startIfFree(machine: Machine): void {
    if (this.stopped || (this.downs.get(machine) ?? 0) === 0) this.world.cluster.start(machine);
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
    const { cluster, network, clients, swarm } = this.world;
    network.heal();
    for (const client of clients) network.showClient(client, STREAM_BREAKS);
    this.goodNetwork();
    this.disks.repair();
    for (const machine of cluster.machines) {
      if (Math.abs(machine.clock.wallOffsetMs) > CLOCK_OFFSET_MS_MAX) machine.clock.wallOffsetMs = 0;
      machine.clock.setRate(0);
      cluster.resume(machine);
      if (machine.index === swarm.weakMachine && swarm.isWeakLeftOut) cluster.leaveOut(machine);
      cluster.start(machine);
      if (machine.isDamaged) this.restartUntilReady(machine);
    }
  }

  /**
   * A disk may have lost the number of its last start: peers then refuse the node as an old copy of itself, until a
   * later start has a higher number. An operator who sees that starts it again.
   */
  private restartUntilReady(machine: Machine): void {
    const { cluster, loop } = this.world;
    loop.schedule(WORLD, READY_MS_MAX, () => {
      if (machine.isLeftOut || cluster.status(machine)?.ready === true) return;
      cluster.crash(machine, 'kill');
      cluster.start(machine);
      this.restartUntilReady(machine);
    });
  }
}

function smallOffset(prng: Prng): number {
  return prng.between(-CLOCK_OFFSET_MS_MAX, CLOCK_OFFSET_MS_MAX);
}
