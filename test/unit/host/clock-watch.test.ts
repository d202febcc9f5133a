/** Nodes whose wall clocks are wrong: who leads, what is stamped, how long keys live, and what is told. */
import { describe, expect, test } from 'vitest';
import { PATIENCE_MS } from '../../../src/host/clock-watch.js';
import { CLOCK_OFFSET_MAX_MS } from '../../../src/host/clock-offsets.js';
import { getCommand, incrCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';

const YEARS_MS = 315_000_000_000;

/** Hosts of one group that is kept awake by a write every 20 ms, which also makes every clock heard. */
class ClockHosts extends TestHosts {
  readonly sink = new RecordingSink();
  private token = 0;

  constructor(count: number, options: ConstructorParameters<typeof TestHosts>[1] = {}) {
    super(count, options);
    this.addGroup(1);
    this.start();
    this.leader(1);
    this.pass(500);
  }

  /** Lets so much time pass under writes. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 20) {
      const leading = this.leading();
      const command = incrCommand('n');
      leading?.replica(1).submitWrite(command, 0, command.length, false, this.sink, this.token++);
      this.world.run(20);
    }
  }

  leading(): TestNode | undefined {
    return this.nodes.find((node) => node.replica(1).serves);
  }

  /** Has this node lead. */
  leadBy(id: number): TestNode {
    for (let tries = 0; this.leading()?.id !== id; tries++) {
      expect(tries).toBeLessThan(50);
      const leading = this.leading();
      leading?.replica(1).raft.transferLeader(id);
      if (leading !== undefined) leading.host.markDirty(leading.replica(1));
      this.pass(200);
    }
    return this.node(id);
  }

  answer(node: TestNode, command: Uint8Array, isRead: boolean): string {
    const sink = new RecordingSink();
    const replica = node.replica(1);
    if (isRead) replica.submitRead(command, 0, command.length, sink, 1);
    else replica.submitWrite(command, 0, command.length, false, sink, 1);
    this.world.until(() => sink.lines.length === 1, 'answered');
    return sink.lines[0] as string;
  }

  stamps(): number[] {
    return this.nodes.map((node) => node.replica(1).machine.timestampMs());
  }
}

describe('a clock that jumps', () => {
  test.each([YEARS_MS, 3_600_000, -3_600_000])(
    'E106 by %i ms under a leader moves no time, and the leadership to a node whose clock is right',
    (jumpMs) => {
      const hosts = new ClockHosts(3);
      const old = hosts.leadBy(1);
      const honest = hosts.node(2).clock;
      old.clock.wallOffsetMs = jumpMs;
      hosts.pass(PATIENCE_MS - 500);
      expect(hosts.leading()?.id).toBe(1);
      hosts.pass(1500);
      expect(hosts.leading()?.id).toBeGreaterThan(1);
      expect(old.count('leaderships_given_up_total', { reason: 'clock' })).toBe(1);
      const direction = jumpMs > 0 ? 'forward' : 'back';
      expect(old.count('clock_steps_total', { direction, followed: 'no' })).toBe(1);
      for (const stamp of hosts.stamps()) {
        expect(Math.abs(stamp - honest.wallMs())).toBeLessThan(CLOCK_OFFSET_MAX_MS);
      }
      // And it does not come back, nor takes it over when asked to, while the clock is wrong.
      const leading = hosts.leading() as TestNode;
      leading.replica(1).raft.transferLeader(1);
      leading.host.markDirty(leading.replica(1));
      hosts.pass(2000);
      expect(old.replica(1).raft.role).toBe('follower');
      expect(leading.host.isClockOff(1)).toBe(true);
      expect(hosts.node(2).host.isClockOff(3)).toBe(false);
      old.clock.wallOffsetMs = 0;
      hosts.pass(500);
      expect(leading.host.isClockOff(1)).toBe(false);
      hosts.leadBy(1);
    },
  );

  test('E88 back never revives an item, nor prolongs what was set before', () => {
    const hosts = new ClockHosts(3);
    const leader = hosts.leadBy(1);
    expect(hosts.answer(leader, setCommand('short', 'v', 200), false)).toBe('1: ok');
    expect(hosts.answer(leader, setCommand('long', 'v', 2000), false)).toBe('1: ok');
    hosts.pass(400);
    expect(hosts.answer(leader, getCommand('short'), true)).toBe('1: nil');
    leader.clock.wallOffsetMs = -3_600_000;
    hosts.pass(200);
    expect(hosts.answer(hosts.leading() as TestNode, getCommand('short'), true)).toBe('1: nil');
    expect(hosts.answer(hosts.leading() as TestNode, getCommand('long'), true)).toBe('1: "v"');
    // Two seconds, less the 600 ms that are over, at 90 %, and what the clocks were apart.
    hosts.pass(1600 + CLOCK_OFFSET_MAX_MS);
    expect(hosts.answer(hosts.leading() as TestNode, getCommand('long'), true)).toBe('1: nil');
  });

  test('forward, when all clocks do, is followed', () => {
    const hosts = new ClockHosts(3);
    const leader = hosts.leadBy(2);
    for (const node of hosts.nodes) node.clock.wallOffsetMs = 3_600_000;
    hosts.pass(PATIENCE_MS + 1000);
    expect(hosts.leading()).toBe(leader);
    for (const node of hosts.nodes) {
      expect(node.count('clock_steps_total', { direction: 'forward', followed: 'yes' })).toBe(1);
    }
    expect(Math.abs((hosts.stamps()[0] as number) - leader.clock.wallMs())).toBeLessThan(200);
  });

  test('forward, on a node that knows no two others, is followed, and that is told', () => {
    const hosts = new ClockHosts(1);
    const node = hosts.node(1);
    node.clock.wallOffsetMs = 3_600_000;
    hosts.pass(2000);
    expect(node.count('clock_steps_total', { direction: 'forward', followed: 'yes' })).toBe(1);
    expect(node.count('leaderships_given_up_total')).toBe(0);
    expect(Math.abs((hosts.stamps()[0] as number) - node.clock.wallMs())).toBeLessThan(200);
  });

  test('for less than the patience costs no leadership, and small steps are not told', () => {
    const hosts = new ClockHosts(3);
    const leader = hosts.leadBy(1);
    leader.clock.wallOffsetMs = 5000;
    hosts.pass(PATIENCE_MS - 500);
    leader.clock.wallOffsetMs = 0;
    hosts.pass(3000);
    leader.clock.wallOffsetMs = CLOCK_OFFSET_MAX_MS - 100;
    hosts.pass(3000);
    expect(hosts.leading()).toBe(leader);
    expect(leader.count('leaderships_given_up_total')).toBe(0);
    // The jump of 5 s is told, both ways; the small one is not.
    for (const direction of ['forward', 'back']) {
      expect(leader.count('clock_steps_total', { direction })).toBe(1);
    }
  });
});

test('a leader whose clock is off and who finds no heir with a better one leads on', () => {
  const hosts = new ClockHosts(3);
  const leader = hosts.leadBy(1);
  // Three clocks, three opinions: node 2 has the middle one, and is not reached.
  hosts.node(2).clock.wallOffsetMs = 5000;
  hosts.node(3).clock.wallOffsetMs = 10_000;
  hosts.pass(200);
  hosts.peers.isolate(2);
  hosts.pass(PATIENCE_MS + 2000);
  expect(hosts.leading()).toBe(leader);
});

test('E87 replicas at +1 h, and with clocks at three times the speed, hold the same at every index', () => {
  const hosts = new ClockHosts(3, { wallOffsetsMs: [0, 3_600_000, 0], rates: [1, 1, 3] });
  const sink = new RecordingSink();
  let sent = 0;
  for (let round = 0; round < 100; round++) {
    const leading = hosts.leading();
    for (let i = 0; i < 5 && leading !== undefined; i++) {
      const command = setCommand(`k${(round + i) % 20}`, `${round}`, i % 2 === 0 ? 30 + 20 * i : 0);
      leading.replica(1).submitWrite(command, 0, command.length, false, sink, sent++);
    }
    hosts.pass(20);
  }
  hosts.world.until(() => hosts.agree(1), 'all replicas agree');
  const [first, ...others] = hosts.nodes.map((node) => node.machines.get(1));
  const last = hosts.node(1).replica(1).appliedIndex;
  let compared = 0;
  for (let index = last; index > 0 && first?.hashAt(index) !== null; index--) {
    for (const other of others) expect(other?.hashAt(index)).toBe(first?.hashAt(index));
    compared++;
  }
  expect(compared).toBeGreaterThan(100);
  expect(sink.lines.length).toBeGreaterThan(200);
});

test('E88 E105 leadership goes from clock to clock: gone is gone, and no key lives longer or shorter than by what they are apart', () => {
  const apartMs = 800;
  const hosts = new ClockHosts(3, { wallOffsetsMs: [0, -400, 400] });
  const honest = hosts.world.clock;
  let stamp = 0;
  for (const [from, to] of [
    [1, 2],
    [2, 3],
    [3, 2],
    [3, 1],
  ] as const) {
    const before = hosts.leadBy(from);
    expect(hosts.answer(before, setCommand('k', 'v', 3000), false)).toBe('1: ok');
    const setAtMs = honest.monoMs();
    hosts.leadBy(to);
    let goneAtMs = 0;
    const isOver = (): boolean =>
      goneAtMs === 0 ? honest.monoMs() - setAtMs > 6000 : honest.monoMs() - goneAtMs > 800;
    while (!isOver()) {
      const leading = hosts.leading();
      if (leading === undefined) {
        hosts.world.run(20);
        continue;
      }
      const isGone = hosts.answer(leading, getCommand('k'), true) === '1: nil';
      if (isGone) goneAtMs ||= honest.monoMs();
      // Gone is gone, whoever leads then.
      else expect(goneAtMs).toBe(0);
      if (isGone && honest.monoMs() - goneAtMs < 100) hosts.leadBy(from);
      const now = Math.max(...hosts.stamps());
      expect(now).toBeGreaterThanOrEqual(stamp);
      stamp = now;
      hosts.pass(20);
    }
    expect(goneAtMs).toBeGreaterThan(0);
    const livedMs = goneAtMs - setAtMs;
    expect(livedMs).toBeGreaterThan(3000 - apartMs - 50);
    // Time that is ahead goes on at 90 %, and may have stood still while nobody led.
    expect(livedMs).toBeLessThan((3000 + apartMs) / 0.9 + 500);
  }
});
