/**
 * Whole nodes with many groups and nothing to do: they fall silent, and when a node dies, comes back or restarts faster
 * than anybody would miss it, every group is led within 5 s and quiet soon after.
 */
import { expect, test } from 'vitest';
import { whatIsAwake, whatIsMissing } from './converge.js';
import { PlainWorld } from './plain-world.js';

const GROUPS = 64;
const LED_MS_MAX = 5_000;
const QUIET_MS_MAX = 30_000;
/** Longer than it takes until a new leadership may be handed over, and a round over all groups. */
const BALANCED_MS = 5_000;
const RUN_MS_MAX = 80_000;
/** How leaders confirm reads: with leases their rounds of heartbeats go on until the group sleeps. */
const READS = ['quorum', 'lease'] as const;

class QuietWorld extends PlainWorld {
  constructor(shards: number, seed: number, reads: 'lease' | 'quorum') {
    super(shards, seed, { reads });
    this.untilQuiet();
  }

  /** Every group has a leader on a machine that is up, and no follower there holds on to an older one. */
  untilLed(): number {
    return this.until('led', LED_MS_MAX, () => {
      const up = this.cluster.machines.filter((machine) => machine.life !== null);
      const statuses = up.map((machine) => this.cluster.status(machine));
      for (let group = 0; group <= this.cluster.options.shards; group++) {
        const replicas = statuses.flatMap(
          (status) => status?.replicas.filter((r) => r.group === group) ?? [],
        );
        const term = Math.max(...replicas.map((replica) => replica.term));
        if (!replicas.some((replica) => replica.role === 'leader' && replica.term === term))
          return `group ${group}`;
      }
      return null;
    });
  }

  /** All asleep, and leaderships are where placement wants them: nobody was elected for a while. */
  untilQuiet(): void {
    let elections = -1;
    let sinceMs = 0;
    this.until('quiet', QUIET_MS_MAX, () => {
      if (this.checkers.elections !== elections) sinceMs = this.loop.now();
      elections = this.checkers.elections;
      return this.loop.now() - sinceMs < BALANCED_MS ? 'leaders still change' : whatIsAwake(this.cluster);
    });
  }

  /** How many events ten quiet seconds take. Nothing else may happen in them. */
  quietEvents(): number {
    const elections = this.checkers.elections;
    const before = this.loop.eventsRun;
    this.loop.runUntil(this.loop.now() + 10_000);
    expect(this.checkers.elections).toBe(elections);
    expect(whatIsAwake(this.cluster)).toBe(null);
    return this.loop.eventsRun - before;
  }
}

test.each(READS)(
  'E85 quiet groups cost no event, and after a power cut of all nodes every group is led within 5 s (reads: %s)',
  { timeout: RUN_MS_MAX },
  (reads) => {
    const world = new QuietWorld(GROUPS, 85, reads);
    const events = world.quietEvents();
    // Ticks, heartbeats of nodes, gossip's and housekeeping's timers: as many with a handful of groups.
    expect(Math.abs(events - new QuietWorld(4, 85, reads).quietEvents())).toBeLessThan(events / 20);
    const { cluster } = world;
    for (const machine of cluster.machines) cluster.crash(machine, 'power');
    for (const machine of cluster.machines) cluster.start(machine);
    world.until('up', LED_MS_MAX, () => (cluster.ready ? null : 'not ready'));
    world.untilLed();
    world.untilQuiet();
    expect(whatIsMissing(cluster)).toBe(null);
  },
);

test.each(READS)(
  'E111 a leader’s node restarts within one heartbeat: all its groups are led within 5 s, and quiet again (reads: %s)',
  { timeout: RUN_MS_MAX },
  (reads) => {
    const world = new QuietWorld(GROUPS, 111, reads);
    const { cluster, loop } = world;
    for (const kind of ['kill', 'power'] as const) {
      const machine = world.leaderOf(1);
      cluster.crash(machine, kind);
      loop.runUntil(loop.now() + 1);
      cluster.start(machine);
      world.until('up', LED_MS_MAX, () => (cluster.ready ? null : 'not ready'));
      world.untilLed();
      world.untilQuiet();
      expect(whatIsMissing(cluster)).toBe(null);
    }
    world.quietEvents();
  },
);

test.each(READS)(
  'E111 a dead follower’s node: all groups are led within 5 s and sleep without it; when it is back it has everything (reads: %s)',
  { timeout: RUN_MS_MAX },
  (reads) => {
    const world = new QuietWorld(GROUPS, 1111, reads);
    const { cluster } = world;
    const dead = world.leaderOf(2);
    cluster.crash(dead, 'power');
    world.until('somebody noticed', LED_MS_MAX, () =>
      whatIsAwake(cluster) === null ? 'all are asleep' : null,
    );
    world.untilLed();
    world.untilQuiet();
    world.quietEvents();
    cluster.start(dead);
    world.until('converged', QUIET_MS_MAX, () => whatIsMissing(cluster));
    world.untilQuiet();
    world.quietEvents();
  },
);
