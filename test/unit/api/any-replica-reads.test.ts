/** Goal: where a read goes that says how fresh it must be, and that nothing of its order or its answer is lost there. */
import { expect, test } from 'vitest';
import { Freshness, staleReadOf } from '../../../src/group/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld, type GatewayNode } from '../../support/loop-gateway.js';

/** Node 2 leads shard 1; node 1 has a replica that follows. */
function world(): { w: GatewayWorld; here: GatewayNode; sink: RecordingSink } {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  return { w, here: w.node(1), sink: new RecordingSink() };
}

function read(
  node: GatewayNode,
  sink: RecordingSink,
  token: number,
  freshness: number,
  withinMs = 5000,
): void {
  node.submit(sink, token, getCommand('a'), withinMs, 0, freshness);
}

test('E8 reads that any replica may answer stay at the node that has one; the others go to the leader', () => {
  const { w, here, sink } = world();
  read(here, sink, 1, Freshness.follower);
  read(here, sink, 2, staleReadOf(500));
  read(here, sink, 3, Freshness.linearizable);
  w.run(10);
  const own = here.replica(1);
  expect(own.handed.map(({ freshness }) => freshness)).toEqual([Freshness.follower, staleReadOf(500)]);
  expect(w.node(2).replica(1).texts()).toEqual(['get a']);
  own.ok();
  own.ok();
  w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok', '2: ok', '3: ok']);
  expect(sink.unanswered.total).toBe(0);
});

test('without a replica that could answer they go to the leader', () => {
  const { w, here, sink } = world();
  here.replica(1).servesAnyReads = false; // suspect, or its state is being replaced
  read(here, sink, 1, Freshness.follower);
  w.run(10);
  expect(here.replica(1).handed).toEqual([]);
  w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok']);
});

test('E107 a read behind a write of its own connection goes the way of the write, and sees it', () => {
  const { w, here, sink } = world();
  here.submit(sink, 1, setCommand('a', '1'));
  read(here, sink, 2, Freshness.follower);
  w.run(10);
  expect(here.replica(1).handed).toEqual([]);
  expect(
    w
      .node(2)
      .replica(1)
      .handed.map(({ text, kind }) => [text, kind]),
  ).toEqual([
    ['set a=1', 'write'],
    ['get a', 'write'],
  ]);
});

test('a read that the replica here can’t answer goes to the leader once, and another connection’s commands with it', () => {
  const { w, here, sink } = world();
  const other = new RecordingSink();
  here.submit(other, 1, setCommand('b', '1'));
  read(here, sink, 1, Freshness.follower);
  w.run(10);
  here.replica(1).refuse('NOT_LEADER', 2);
  w.run(10);
  const leader = w.node(2).replica(1);
  expect(leader.texts()).toEqual(['set b=1', 'get a']);
  leader.ok();
  leader.ok();
  w.run(10);
  expect([...other.lines, ...sink.lines]).toEqual(['1: ok', '1: ok']);
});

test('it waits for a leader while none is known, and is told by its deadline', () => {
  const { w, here, sink } = world();
  here.replica(1).leaderNode = 0;
  here.hints.note(1, 2, 1, 0);
  read(here, sink, 1, Freshness.follower, 200);
  here.replica(1).refuse('NOT_LEADER', 0);
  w.run(150);
  w.lead(1, 2, 3);
  here.gateway.poll();
  w.run(20);
  w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok']);
});

test('TOO_STALE is the caller’s to hear, and so is a deadline that passes at the replica here', () => {
  const { w, here, sink } = world();
  read(here, sink, 1, staleReadOf(500));
  here.replica(1).refuse('TOO_STALE', 0);
  read(here, sink, 2, staleReadOf(500), 100);
  w.run(200);
  expect(sink.lines).toEqual(['1: TOO_STALE', '2: DEADLINE_EXCEEDED']);
  here.replica(1).ok(); // too late: nobody listens
  expect(sink.take()).toHaveLength(2);
});

test('a connection that closes forgets reads at the replica here, and the shard’s way is free', () => {
  const { w, here, sink } = world();
  read(here, sink, 1, Freshness.follower);
  here.gateway.forget(sink);
  here.replica(1).ok();
  here.submit(new RecordingSink(), 1, setCommand('a', '1'));
  w.run(10);
  expect(sink.lines).toEqual([]);
  expect(w.node(2).replica(1).texts()).toEqual(['set a=1']);
});

test('E7 QUORUM stays so over a hop: no lease of the leader’s node will do', () => {
  const { w, here, sink } = world();
  read(here, sink, 1, Freshness.quorum);
  read(here, sink, 2, Freshness.lease);
  w.run(10);
  expect(
    w
      .node(2)
      .replica(1)
      .handed.map(({ freshness }) => freshness),
  ).toEqual([Freshness.quorum, Freshness.linearizable]);
});

test('at the leader they keep their place among its commands', () => {
  const { w, sink } = world();
  const leader = w.node(2);
  read(leader, sink, 1, staleReadOf(500));
  leader.submit(sink, 2, setCommand('a', '1'));
  expect(
    leader.replica(1).handed.map(({ kind, afterReads, freshness }) => [kind, afterReads, freshness]),
  ).toEqual([
    ['read', false, staleReadOf(500)],
    ['write', true, Freshness.linearizable],
  ]);
});
