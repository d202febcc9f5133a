/**
 * Goal: a front end never runs a write twice. Method: every way in which a write's outcome can become unknown, with a
 * new leader that would gladly take the write again; then the same with refusals, which must be tried again, once.
 */
import { describe, expect, it, test } from 'vitest';
import { ERROR_REASONS, type ErrorReason } from '../../../src/base/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld } from '../../support/loop-gateway.js';

const REASONS = Object.keys(ERROR_REASONS) as ErrorReason[];
const WRITE = setCommand('counter', 'plus one');
/** Far beyond every deadline, grace and sweep. */
const FOR_EVER_MS = 20_000;

interface Scene {
  readonly w: GatewayWorld;
  readonly sink: RecordingSink;
  /** How often any replica was handed the write, in all. */
  readonly handed: () => number;
}

/** Node `leader` leads; the write was submitted at node 1 and has arrived. */
function scene(leader: number): Scene {
  const w = new GatewayWorld(3);
  let count = 0;
  for (const node of w.nodes) node.replica(1).onHanded = () => count++;
  w.lead(1, leader, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, WRITE, 5000);
  w.run(10);
  expect(count).toBe(1);
  return { w, sink, handed: () => count };
}

/** Another node leads from now on, everybody knows it, and time goes by. */
function newLeader({ w }: Scene): void {
  w.lead(1, 3, 2);
  w.run(FOR_EVER_MS);
}

describe.each([
  ['E69 where the leader is this node', 1],
  ['E69 E117 where it was forwarded', 2],
] as const)('%s', (_, leader) => {
  it.each(REASONS.filter((reason) => !ERROR_REASONS[reason].definite))(
    'a write that ended in %s is not sent again',
    (reason) => {
      const s = scene(leader);
      s.w.node(leader).replica(1).fail(reason);
      newLeader(s);
      expect(s.sink.lines).toEqual([`1: ${reason}`]);
      expect(s.handed()).toBe(1);
    },
  );

  it('a write that is never answered is unknown by its deadline, and not sent again', () => {
    const s = scene(leader);
    newLeader(s);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    expect(s.handed()).toBe(1);
  });

  it('a write that was refused before the append is sent to the next leader, once', () => {
    const s = scene(leader);
    s.w.lead(1, 3, 2);
    s.w.node(leader).replica(1).refuse('NOT_LEADER', 3);
    s.w.run(200);
    expect(s.handed()).toBe(2);
    s.w.node(3).replica(1).ok();
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: ok']);
    expect(s.handed()).toBe(2);
  });

  it('a write whose answer comes after its caller was told is not sent again, and told once', () => {
    const s = scene(leader);
    s.w.run(6000);
    s.w.node(leader).replica(1).ok();
    newLeader(s);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    expect(s.handed()).toBe(1);
  });
});

describe('E117 a forwarded write', () => {
  it.each([
    ['applied, its answer lost', (s: Scene) => s.w.node(2).replica(1).ok()],
    ['still under way', () => undefined],
  ] as const)('whose link breaks (%s) is unknown, and not sent again', (_, before) => {
    const s = scene(2);
    s.w.peers.cut(1, 2);
    before(s);
    s.w.run(10);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    s.w.peers.heal(1, 2);
    newLeader(s);
    expect(s.handed()).toBe(1);
  });

  it('that never left, for want of a link, is sent once there is a leader with one', () => {
    const w = new GatewayWorld(3);
    let count = 0;
    for (const node of w.nodes) node.replica(1).onHanded = () => count++;
    w.lead(1, 2, 1);
    w.peers.cut(1, 2);
    const sink = new RecordingSink();
    w.node(1).submit(sink, 1, WRITE, 5000);
    w.run(500);
    expect(count).toBe(0);
    w.lead(1, 3, 2);
    w.run(200);
    expect(count).toBe(1);
    w.node(3).replica(1).ok();
    w.run(FOR_EVER_MS);
    expect(sink.lines).toEqual(['1: ok']);
    expect(count).toBe(1);
  });
});

test('E70 a leader hint that leads in a circle ends in one definite error, and no node runs the write', () => {
  const w = new GatewayWorld(3);
  let count = 0;
  for (const [at, node] of w.nodes.entries()) {
    const replica = node.replica(1);
    replica.serves = false;
    replica.leaderNode = ((at + 1) % 3) + 1;
    replica.onHanded = () => count++;
  }
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, WRITE, 1000);
  w.run(FOR_EVER_MS);
  expect(sink.lines).toHaveLength(1);
  const reason = sink.lines[0]?.slice('1: '.length) as ErrorReason;
  expect(ERROR_REASONS[reason].definite).toBe(true);
  expect(count).toBe(0);
});
