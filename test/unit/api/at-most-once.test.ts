/**
 * Goal: a front end never has a write applied twice. Method: every way in which a write's outcome can become unknown, with
 * a new leader that would gladly take the write again: it gets it only under the session of the first attempt; then the
 * same with refusals, which must be tried again, once.
 */
import { describe, expect, it, test } from 'vitest';
import { ByteReader, ERROR_REASONS, type ErrorReason } from '../../../src/base/index.js';
import { KvError, SessionFieldsSlot, Tag } from '../../../src/kv/index.js';
import { RecordingSink, sessionOf, setCommand } from '../../support/loop-commands.js';
import { type FakeReplica, GatewayWorld } from '../../support/loop-gateway.js';

const REASONS = Object.keys(ERROR_REASONS) as ErrorReason[];
const WRITE = setCommand('counter', 'plus one');
/** Far beyond every deadline, grace and sweep. */
const FOR_EVER_MS = 20_000;

interface Scene {
  readonly w: GatewayWorld;
  readonly sink: RecordingSink;
  /** How often any replica was handed the write, in all. */
  readonly handed: () => number;
  /** The command that was handed over last. */
  readonly handedBytes: () => Uint8Array;
}

/** Node `leader` leads; the write was submitted at node 1 and has arrived. */
function scene(leader: number): Scene {
  const w = new GatewayWorld(3);
  let count = 0;
  let last = new Uint8Array(0) as Uint8Array;
  for (const node of w.nodes) {
    node.replica(1).onHanded = ({ bytes }) => {
      count++;
      last = bytes;
    };
  }
  w.lead(1, leader, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, WRITE, 5000);
  w.run(10);
  expect(count).toBe(1);
  return { w, sink, handed: () => count, handedBytes: () => last };
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
  it.each(
    REASONS.filter(
      (reason) => !ERROR_REASONS[reason].definite && (leader === 1 || reason !== 'OUTCOME_UNKNOWN'),
    ),
  )('a write that ended in %s is not sent again', (reason) => {
    const s = scene(leader);
    s.w.node(leader).replica(1).fail(reason);
    newLeader(s);
    expect(s.sink.lines).toEqual([`1: ${reason}`]);
    expect(s.handed()).toBe(1);
  });

  it('a write that is never answered is unknown by its deadline', () => {
    const s = scene(leader);
    newLeader(s);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    expect(s.handed()).toBe(leader === 1 ? 1 : 2);
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

test('E69 a write that was refused where it was forwarded goes without the node’s session where this node leads by then', () => {
  const s = scene(2);
  expect(sessionOf(s.handedBytes())).not.toBeNull();
  s.w.lead(1, 1, 2);
  s.w.node(2).replica(1).refuse('NOT_LEADER', 1);
  s.w.run(200);
  expect(s.handed()).toBe(2);
  expect(sessionOf(s.handedBytes())).toBeNull();
  s.w.node(1).replica(1).ok();
  s.w.run(FOR_EVER_MS);
  expect(s.sink.lines).toEqual(['1: ok']);
});

/** Node 3 leads from now on, and gets what is sent again. */
function moved({ w }: Scene): FakeReplica {
  w.lead(1, 3, 2);
  w.run(1500);
  return w.node(3).replica(1);
}

describe('E69 E117 a forwarded write', () => {
  const lost: readonly (readonly [string, (s: Scene) => void])[] = [
    [
      'whose link broke when it was applied',
      (s) => {
        s.w.peers.cut(1, 2);
        s.w.node(2).replica(1).ok();
      },
    ],
    ['whose link broke when it was under way', (s) => s.w.peers.cut(1, 2)],
    ['whose leader lost its leadership', (s) => s.w.node(2).replica(1).fail('OUTCOME_UNKNOWN')],
    ['whose leader went silent', () => undefined],
  ];

  it.each(lost)('%s is sent to the next leader, under the session of its first attempt', (_, lose) => {
    const s = scene(2);
    const first = sessionOf(s.handedBytes());
    expect(first).not.toBe(null);
    lose(s);
    const next = moved(s);
    expect(s.handed()).toBe(2);
    expect(sessionOf(s.handedBytes())).toBe(first);
    next.ok();
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: ok']);
    expect(s.handed()).toBe(2);
  });

  it.each(lost)('%s is unknown, not refused, when nobody takes it any more', (_, lose) => {
    const s = scene(2);
    lose(s);
    moved(s).refuse('OUT_OF_MEMORY');
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
  });

  it.each(lost)('%s is unknown by its deadline, when nobody leads', (_, lose) => {
    const s = scene(2);
    lose(s);
    for (const node of s.w.nodes) {
      node.replica(1).serves = false;
      node.replica(1).leaderNode = 0;
    }
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
  });

  it('of a connection that sent others behind it is not sent again: they might come before it', () => {
    const s = scene(2);
    s.w.node(1).submit(s.sink, 2, WRITE, 5000);
    s.w.run(10);
    s.w.peers.cut(1, 2);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    moved(s).ok();
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN', '2: ok']);
  });

  it.each([KvError.sessionExpired, KvError.sessionsFull])(
    'whose session is refused (%s) goes without one',
    (error) => {
      const s = scene(2);
      s.w.node(2).replica(1).answer(Tag.error, error);
      s.w.run(200);
      expect(s.handed()).toBe(2);
      expect(sessionOf(s.handedBytes())).toBe(null);
      s.w.node(2).replica(1).ok();
      s.w.run(FOR_EVER_MS);
      expect(s.sink.lines).toEqual(['1: ok']);
    },
  );

  it('whose session ended before it was sent again is unknown', () => {
    const s = scene(2);
    s.w.peers.cut(1, 2);
    moved(s).answer(Tag.error, KvError.sessionExpired);
    s.w.run(FOR_EVER_MS);
    expect(s.sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
    expect(s.handed()).toBe(2);
  });

  it('tells what its connection still waits for, so that nothing else is kept', () => {
    const s = scene(2);
    const lowest = (): number =>
      new SessionFieldsSlot().read(new ByteReader(s.handedBytes(), 4)).lowestUnanswered;
    expect(lowest()).toBe(1);
    s.w.node(1).submit(new RecordingSink(), 2, WRITE, 5000);
    s.w.run(10);
    expect(lowest()).toBe(1);
    s.w.node(2).replica(1).ok();
    s.w.run(10);
    s.w.node(1).submit(new RecordingSink(), 3, WRITE, 5000);
    s.w.run(10);
    expect(lowest()).toBe(2);
  });
});

describe('E117 a forwarded write', () => {
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
