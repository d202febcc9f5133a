/**
 * Faults that wait for the moment that matters. A crash at a random time seldom falls into the few milliseconds
 * between a promise and its fsync; these make that gap wide (slow disks) and strike inside it. Harmless to a node
 * that keeps its promises.
 *
 * `election`: the leader of a group is killed, the others' disks are slow. At the instant a new leader A appears,
 *   A is killed and every voter loses power. The old leader and the voters come back without A. A voter that had
 *   told its vote before it was durable can now vote again in A's term: two leaders in one term.
 * `acknowledgement`: followers' disks are slow under load, then all machines lose power at once. All come back but
 *   one leader. A follower that had acknowledged before its fsync lacks what the leader had committed by that word.
 */
import type { Prng } from '../../src/base/index.js';
import type { SafetyCheckers } from './checkers.js';
import type { FaultWorld } from './faults.js';
import type { Machine } from './world/cluster.js';
import { WORLD } from './world/loop.js';

const SLOWNESS = 150;
/** How long a strike waits for its moment. */
const PATIENCE_MS = 2_500;

export class Strikes {
  private stopped = false;
  /** One strike at a time: a second would take away the first one's moment. */
  private busy = false;
  private readonly checkers: SafetyCheckers;

  constructor(private readonly world: FaultWorld) {
    this.checkers = world.checkers;
  }

  stop(): void {
    this.stopped = true;
    this.checkers.onLeader = null;
  }

  election(prng: Prng): void {
    const { cluster, loop } = this.world;
    const group = prng.between(1, cluster.options.shards);
    const old = cluster.leaders(group)[0];
    if (this.busy || old === undefined || cluster.machines.some((m) => m.life === null)) return;
    this.busy = true;
    const others = cluster.machines.filter((m) => m !== old);
    // The candidate must win quickly, its voters must be slow: which is which shows only afterwards, so one of the
    // others keeps a fast disk.
    const fast = prng.pick(others);
    for (const machine of others) if (machine !== fast) machine.disk.slowFactor = SLOWNESS;
    cluster.crash(old, 'kill');
    let struck = false;
    this.checkers.onLeader = (node) => {
      const winner = cluster.ofNode(node);
      if (struck || winner === null || winner === old) return;
      struck = true;
      // Not inside the node's own call: right after this event, before anything else happens.
      loop.schedule(WORLD, 0, () => this.strikeElection(old, winner, prng));
    };
    this.later(PATIENCE_MS, () => {
      if (!struck) this.finish();
    });
  }

  private strikeElection(old: Machine, winner: Machine, prng: Prng): void {
    const { cluster } = this.world;
    this.checkers.onLeader = null;
    if (this.stopped) return;
    cluster.crash(winner, 'kill');
    for (const machine of cluster.machines) if (machine !== old) cluster.crash(machine, 'power');
    this.later(prng.between(1, 50), () => {
      for (const machine of cluster.machines) {
        machine.disk.slowFactor = 1;
        if (machine !== winner) cluster.start(machine);
      }
      this.later(prng.between(1_000, 2_500), () => this.finish());
    });
  }

  acknowledgement(prng: Prng): void {
    const { cluster } = this.world;
    const leader = cluster.leaders(prng.between(1, cluster.options.shards))[0];
    if (this.busy || leader === undefined || cluster.machines.some((m) => m.life === null)) return;
    this.busy = true;
    for (const machine of cluster.machines) if (machine !== leader) machine.disk.slowFactor = SLOWNESS;
    this.later(prng.between(50, 500), () => {
      for (const machine of cluster.machines) cluster.crash(machine, 'power');
      this.later(prng.between(1, 100), () => {
        for (const machine of cluster.machines) {
          machine.disk.slowFactor = 1;
          if (machine !== leader) cluster.start(machine);
        }
        this.later(prng.between(1_000, 2_500), () => this.finish());
      });
    });
  }

  /** Everything runs again. */
  private finish(): void {
    this.busy = false;
    this.checkers.onLeader = null;
    for (const machine of this.world.cluster.machines) {
      machine.disk.slowFactor = 1;
      this.world.cluster.start(machine);
    }
  }

  private later(delayMs: number, run: () => void): void {
    this.world.loop.schedule(WORLD, delayMs, () => {
      if (!this.stopped) run();
    });
  }
}
