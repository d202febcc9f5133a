/**
 * Goal: whatever way a read takes, it shows every increment acknowledged before it was asked (a stale one: before its
 * bound), while links stall, leadership moves, and clocks run at different speeds.
 * Method: real hosts and replicas in virtual time. One counter that only grows, so that the highest number acknowledged
 * is all there is to know: a read must show at least the highest of when it was asked. Writers and readers are at every
 * replica at once. A cluster whose clocks differ more than its leases allow must be caught: else nothing was tested.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/index.js';
import { Freshness, staleReadOf } from '../../src/group/index.js';
import type { LeaseOptions } from '../../src/raft/index.js';
import { getCommand, incrCommand, RecordingSink } from '../support/loop-commands.js';
import { TestHosts } from '../support/loop-hosts.js';

const GROUP = 1;
/** Ten ticks of 10 ms; clocks may differ by a tenth. */
const LEASE: LeaseOptions = { promiseMs: 100, holdMs: 89, startedAtMs: 0 };
const STEP_MS = 2;
const CYCLE_STEPS = 250;
const STEPS = 4 * CYCLE_STEPS;
const STALE_MS = 120;

const WAYS = [Freshness.linearizable, Freshness.follower, staleReadOf(STALE_MS)] as const;
type Way = (typeof WAYS)[number];

interface Counts {
  answered: Map<Way, number>;
  acknowledged: number;
  underLease: number;
}

class Load {
  readonly counts: Counts = { answered: new Map(), acknowledged: 0, underLease: 0 };
  /** Highest number acknowledged, and by when; oldest first. */
  private readonly history: { atMs: number; number: number }[] = [{ atMs: -Infinity, number: 0 }];
  private tokens = 0;

  constructor(private readonly hosts: TestHosts) {}

  private get now(): number {
    return this.hosts.world.loop.now();
  }

  private acknowledged(atMs: number): number {
    let at = this.history.length - 1;
    while ((this.history[at]?.atMs ?? -Infinity) > atMs) at--;
    return this.history[at]?.number ?? 0;
  }

  write(node: number): void {
    const replica = this.hosts.node(node).replica(GROUP);
    if (!replica.serves) return;
    const sink = new RecordingSink();
    sink.onLine = (line) => {
      const number = Number(/^\d+: (\d+)$/.exec(line)?.[1] ?? 0);
      if (number === 0) return;
      this.counts.acknowledged++;
      if (number > this.acknowledged(Infinity)) this.history.push({ atMs: this.now, number });
    };
    const command = incrCommand('n');
    replica.submitWrite(command, 0, command.length, false, sink, ++this.tokens);
  }

  read(node: number, way: Way): void {
    const replica = this.hosts.node(node).replica(GROUP);
    if (way === Freshness.linearizable && !replica.serves) return;
    const askedMs = this.now;
    // The bound is held by the node's own clock.
    const boundMs = way === staleReadOf(STALE_MS) ? STALE_MS / this.hosts.node(node).clock.rate : 0;
    const least = this.acknowledged(askedMs - boundMs);
    const sink = new RecordingSink();
    sink.onLine = (line) => {
      const match = /^\d+: (?:nil|"(\d+)")$/.exec(line);
      if (match === null) return;
      this.counts.answered.set(way, (this.counts.answered.get(way) ?? 0) + 1);
      const seen = Number(match[1] ?? 0);
      if (seen < least)
        throw new Error(`way ${way} at node ${node} showed ${seen}, ${least} was acknowledged`);
    };
    const command = getCommand('n');
    replica.submitRead(command, 0, command.length, sink, ++this.tokens, way);
  }
}

function play(
  seed: number,
  rates: readonly number[],
  lease: LeaseOptions | null,
  favoured: number | null = null,
): Counts {
  const prng = new Prng(seed);
  const hosts = new TestHosts(3, { seed, rates, raft: { lease, electionTicks: 10, heartbeatTicks: 2 } });
  hosts.addGroup(GROUP);
  hosts.start();
  hosts.leader(GROUP);
  const load = new Load(hosts);
  const { peers, world } = hosts;
  for (let step = 0; step < STEPS; step++) {
    const at = step % CYCLE_STEPS;
    if (at === 0) peers.latencyMs = () => 1;
    // A replica with a slow clock wins no election: it has to be given the leadership.
    if (at === 20) handOver(hosts, favoured ?? prng.between(1, 3));
    if (at === 80) disturb(hosts, prng);
    for (const node of [1, 2, 3]) {
      if (prng.chance(0.4)) load.write(node);
      if (prng.chance(0.5)) load.read(node, prng.pick(WAYS));
    }
    world.run(STEP_MS);
  }
  for (const node of hosts.nodes) load.counts.underLease += node.count('raft_reads_total', { kind: 'lease' });
  return load.counts;
}

function handOver(hosts: TestHosts, to: number): void {
  for (const node of hosts.nodes) node.replica(GROUP).raft.transferLeader(to);
}

/** One node's frames take long, in both directions or in one: most often the leader's. */
function disturb(hosts: TestHosts, prng: Prng): void {
  const leader = hosts.nodes.find((node) => node.replica(GROUP).serves)?.id ?? 1;
  const victim = prng.chance(0.7) ? leader : prng.between(1, 3);
  const delayMs = prng.between(50, 700);
  const [isSlowFrom, isSlowTo] = prng.pick([
    [true, true],
    [true, true],
    [true, false],
    [false, true],
  ] as const);
  hosts.peers.latencyMs = (from, to) =>
    (isSlowFrom && from === victim) || (isSlowTo && to === victim) ? delayMs : 1;
}

/** The slowest over the fastest is at least 0.91: within what the leases allow. */
function drawRates(prng: Prng): number[] {
  return [1, 2, 3].map(() => 0.96 + prng.unit() * 0.09);
}

test('E7 E8 no read shows less than was acknowledged before it was asked, under leases and any clocks they allow', () => {
  const totals = new Map<Way, number>();
  let underLease = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const counts = play(seed, drawRates(new Prng(seed).stream('rates')), LEASE);
    expect(counts.acknowledged).toBeGreaterThan(100);
    underLease += counts.underLease;
    for (const [way, count] of counts.answered) totals.set(way, (totals.get(way) ?? 0) + count);
  }
  for (const way of WAYS) expect(totals.get(way)).toBeGreaterThan(500);
  expect(underLease).toBeGreaterThan(500);
});

test('E7 without leases clocks of any speed do no harm, and nothing is read under one', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const counts = play(seed, [0.4, 1, 1.2], null);
    expect([counts.underLease, counts.acknowledged > 100]).toEqual([0, true]);
  }
});

test('clocks that differ by more than leases allow are caught by this very test', () => {
  const plays = Array.from({ length: 20 }, (_, i) => () => play(i + 1, [0.3, 1, 1], LEASE, 1));
  const caught = plays.find((run) => {
    try {
      run();
      return false;
    } catch (error) {
      return /was acknowledged/.test((error as Error).message);
    }
  });
  expect(caught).toBeDefined();
});
