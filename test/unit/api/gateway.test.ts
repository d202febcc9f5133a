/** The gateway against replicas and peers that the test plays: one honest answer for each command, in time. */
import { expect, test } from 'vitest';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld } from '../../support/loop-gateway.js';
import { EMPTY_SHARD_MAP } from '../../../src/topology/index.js';

/** Answers may be this late: one round of looking after deadlines. */
const SWEEP_MS = 50;

test('a command goes to the local leader and its answer to its sink', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  node.submit(sink, 7, getCommand('b'));
  node.submit(sink, 8, setCommand('a', '1'));
  expect(node.replica(1).texts()).toEqual(['get b', 'set a=1']);
  expect([sink.unanswered.ordered, sink.unanswered.reads]).toEqual([1, 1]);
  node.replica(1).ok();
  node.replica(1).ok();
  expect(sink.lines).toEqual(['7: ok', '8: ok']);
  expect([sink.unanswered.ordered, sink.unanswered.reads]).toEqual([0, 0]);
});

test('a read behind pending writes of its sink rides in the log, a write behind reads says so', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  const other = new RecordingSink();
  node.submit(sink, 1, getCommand('a'));
  node.submit(sink, 2, setCommand('a', '2'));
  node.submit(sink, 3, getCommand('a'));
  node.submit(other, 4, getCommand('a'));
  node.submit(other, 5, getCommand('a'));
  expect(node.replica(1).handed.map((h) => [h.text, h.kind, h.afterReads])).toEqual([
    ['get a', 'read', false],
    ['set a=2', 'write', true],
    ['get a', 'write', true],
    ['get a', 'read', false],
    ['get a', 'read', false],
  ]);
});

test('what waits in one shard makes nothing of another wait: order is promised per shard', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  w.lead(2, 1, 1);
  const sink = new RecordingSink();
  const [inFirst, inSecond] = [0, 16_383];
  node.submit(sink, 1, setCommand('a', '1'), 5000, inFirst);
  node.submit(sink, 2, getCommand('b'), 5000, inSecond);
  node.submit(sink, 3, getCommand('a'), 5000, inFirst);
  node.submit(sink, 4, setCommand('b', '2'), 5000, inSecond);
  const handed = (shard: number): unknown[] =>
    node.replica(shard).handed.map((h) => [h.text, h.kind, h.afterReads]);
  expect(handed(1)).toEqual([
    ['set a=1', 'write', false],
    ['get a', 'write', false],
  ]);
  expect(handed(2)).toEqual([
    ['get b', 'read', false],
    ['set b=2', 'write', true],
  ]);
});

test('without a map a command is refused as NOT_INITIALISED, after the call', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  node.map = EMPTY_SHARD_MAP;
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  expect(sink.lines).toEqual([]);
  w.run(5);
  expect(sink.lines).toEqual(['1: NOT_INITIALISED']);
  expect(node.gateway.shardOf(0)).toBe(-1);
  expect(node.gateway.shards()).toEqual([]);
});

test('slots and shards come from the map', () => {
  const { gateway } = new GatewayWorld(1).node(1);
  expect(gateway.shards()).toEqual([
    { shard: 1, firstSlot: 0, lastSlot: 8191 },
    { shard: 2, firstSlot: 8192, lastSlot: 16383 },
  ]);
  expect([gateway.shardOf(8191), gateway.shardOf(8192)]).toEqual([1, 2]);
});

test('E63 with the disk nearly full writes are refused, reads go on', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  node.refusal = 'DISK_FULL';
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  node.submit(sink, 2, getCommand('a'));
  w.run(5);
  expect(sink.take()).toEqual(['1: DISK_FULL']);
  node.replica(1).ok();
  expect(sink.take()).toEqual(['2: ok']);
});

test('E34 without a leader a command is held, and refused for certain at its deadline', () => {
  const w = new GatewayWorld(2);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'), 300);
  node.submit(sink, 2, getCommand('a'), 300);
  w.run(299);
  expect(sink.lines).toEqual([]);
  w.run(SWEEP_MS);
  expect(sink.lines).toEqual(['1: SHARD_LEADER_UNKNOWN', '2: SHARD_LEADER_UNKNOWN']);
  w.lead(1, 1, 1);
  w.run(100);
  expect(node.replica(1).texts()).toEqual([]);
});

test('E99 a write that was handed over and not answered is of unknown outcome, a read simply late', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'), 300);
  node.submit(sink, 2, getCommand('b'), 300);
  w.run(300 + SWEEP_MS);
  expect(sink.take().sort()).toEqual(['1: OUTCOME_UNKNOWN', '2: DEADLINE_EXCEEDED']);
  node.replica(1).ok();
  node.replica(1).refuse();
  w.run(1000);
  expect(sink.lines).toEqual([]);
});

test('a command that was held leaves when a leader is found', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  node.submit(sink, 2, setCommand('a', '2'));
  w.run(100);
  w.lead(1, 1, 1);
  w.run(50);
  node.submit(sink, 3, setCommand('a', '3'));
  expect(node.replica(1).texts()).toEqual(['set a=1', 'set a=2', 'set a=3']);
});

test('refusals that no other node could mend go to the caller at once', () => {
  const w = new GatewayWorld(2);
  const node = w.node(1);
  w.lead(1, 1, 1);
  for (const reason of ['OVERLOADED', 'INVALID_ARGUMENT', 'DISK_FULL', 'TOO_LARGE'] as const) {
    const sink = new RecordingSink();
    node.submit(sink, 1, setCommand('a', '1'));
    node.replica(1).refuse(reason);
    w.run(20);
    expect(sink.lines).toEqual([`1: ${reason}`]);
  }
});

test('failures of unknown outcome are passed on and never tried again', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  node.replica(1).fail('OUTCOME_UNKNOWN');
  w.run(1000);
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
  expect(node.replica(1).texts()).toEqual([]);
});

test('room ends at the limit of bytes in flight, and comes back with the answers', () => {
  const w = new GatewayWorld(1, { inflightBytesMax: 1000 });
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  let room = 0;
  node.gateway.onRoom(() => room++);
  let sent = 0;
  while (node.gateway.hasRoom) node.submit(sink, sent++, setCommand('a', 'x'.repeat(80)));
  expect(sent).toBeGreaterThan(5);
  expect(room).toBe(0);
  while (node.replica(1).handed.length > 0) node.replica(1).ok();
  expect(room).toBe(1);
  expect(node.gateway.hasRoom).toBe(true);
  expect(sink.lines).toHaveLength(sent);
});

test('a forgotten sink hears nothing more, and its room is given back', () => {
  const w = new GatewayWorld(1, { inflightBytesMax: 100 });
  const node = w.node(1);
  const other = new RecordingSink();
  const sink = new RecordingSink();
  let room = 0;
  node.gateway.onRoom(() => room++);
  w.lead(1, 1, 1);
  node.submit(sink, 1, setCommand('a', 'x'.repeat(200)));
  node.submit(other, 2, getCommand('a'));
  expect(node.gateway.hasRoom).toBe(false);
  node.gateway.forget(sink);
  expect([room, sink.unanswered.ordered, node.gateway.hasRoom]).toEqual([1, 0, true]);
  node.replica(1).ok();
  node.replica(1).ok();
  w.run(6000);
  expect(sink.lines).toEqual([]);
  expect(other.lines).toEqual(['2: ok']);
});

test('what a forgotten sink had held does not leave any more', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  node.gateway.forget(sink);
  w.lead(1, 1, 1);
  w.run(100);
  expect(node.replica(1).texts()).toEqual([]);
});

test('stopping answers everything at once: what was sent as a write is unknown, the rest was not run', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  node.submit(sink, 1, setCommand('a', '1'));
  node.submit(sink, 2, getCommand('b'));
  node.submit(sink, 3, setCommand('a', '3'), 5000, 16383); // shard 2 has no leader
  node.gateway.stop();
  expect(sink.take().sort()).toEqual(['1: OUTCOME_UNKNOWN', '2: UNAVAILABLE', '3: UNAVAILABLE']);
  node.submit(sink, 4, setCommand('a', '4'));
  w.run(20);
  expect(sink.take()).toEqual(['4: UNAVAILABLE']);
  while (node.replica(1).handed.length > 0) node.replica(1).ok();
  w.run(6000);
  expect(sink.lines).toEqual([]);
});

test('a sink may hand in the next command while it is being answered', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  w.lead(1, 1, 1);
  const sink = new RecordingSink();
  let token = 1;
  sink.onLine = () => {
    if (token < 20) node.submit(sink, ++token, setCommand('a', String(token)));
  };
  node.submit(sink, 1, setCommand('a', '1'));
  while (node.replica(1).handed.length > 0) node.replica(1).ok();
  expect(sink.lines).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 1}: ok`));
});
