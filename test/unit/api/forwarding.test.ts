/** Gateway and forward server of several nodes, wired over the codec and links that break. */
import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import { decodeForwardFrame, ForwardRequestWriter, type ForwardVisitor } from '../../../src/codec/index.js';
import { describeResult, getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld } from '../../support/loop-gateway.js';

function set(key: string, value: number | string): Uint8Array {
  return setCommand(key, String(value));
}

/** Answers and hints that node `from` sent, decoded. */
function answersOf(w: GatewayWorld, from: number): { id: number; text: string; hint: number }[] {
  const answers: { id: number; text: string; hint: number }[] = [];
  const visitor: ForwardVisitor = {
    onRequests: () => undefined,
    onRequest: () => undefined,
    onResponses: () => undefined,
    onResponse: (id, bytes, start, end) => {
      answers.push({ id, text: describeResult(bytes, start, end), hint: bytes[end - 1] as number });
    },
    onGossip: () => undefined,
    onGossipGroup: () => undefined,
    onMapRequest: () => undefined,
    onMemory: () => undefined,
    onTouches: () => undefined,
    onMap: () => undefined,
  };
  for (const frame of w.peers.frames) if (frame.from === from) decodeForwardFrame(frame.bytes, visitor);
  return answers;
}

function requestTo(
  w: GatewayWorld,
  node: number,
  shard: number,
  hops: number,
  remainingMs: number,
  command: Uint8Array,
): void {
  const writer = new ForwardRequestWriter();
  writer.begin(1);
  writer.add(5, shard, hops, remainingMs, command);
  w.peers.networkOf(1).send(node, 'forward', writer.finish());
  w.run(10);
}

test('commands of a turn share a frame to the leader’s node, and answers come back to their sinks', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const a = new RecordingSink();
  const b = new RecordingSink();
  w.node(1).submit(a, 1, set('a', 1));
  w.node(1).submit(b, 2, getCommand('a'));
  w.node(1).submit(a, 3, set('a', 3));
  w.run(10);
  expect(w.peers.frames.filter((frame) => frame.from === 1)).toHaveLength(1);
  const { handed } = w.node(2).replica(1);
  expect(handed.map((h) => [h.text, h.kind])).toEqual([
    ['set a=1', 'write'],
    ['get a', 'read'],
    ['set a=3', 'write'],
  ]);
  while (handed.length > 0) w.node(2).replica(1).ok();
  w.run(10);
  expect(a.lines).toEqual(['1: ok', '3: ok']);
  expect(b.lines).toEqual(['2: ok']);
  expect(w.peers.frames.filter((frame) => frame.from === 2)).toHaveLength(1);
});

test('the leader’s node is told what a connection has pending: reads in the log, writes behind reads', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, getCommand('a'));
  w.node(1).submit(sink, 2, set('a', 2));
  w.node(1).submit(sink, 3, getCommand('a'));
  w.run(10);
  expect(
    w
      .node(2)
      .replica(1)
      .handed.map((h) => [h.text, h.kind, h.afterReads]),
  ).toEqual([
    ['get a', 'read', false],
    ['set a=2', 'write', true],
    ['get a', 'write', true],
  ]);
});

test('E71 crossed replies: answers in any order reach the command that each belongs to', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sinks = Array.from({ length: 100 }, () => new RecordingSink());
  for (const [i, sink] of sinks.entries()) {
    w.node(1).submit(sink, i, set(`k${i}`, i));
    if (i % 10 === 0) w.run(2);
  }
  w.run(10);
  const { handed } = w.node(2).replica(1);
  for (const h of w.world.prng.shuffle([...handed])) {
    const value = encodeUtf8(h.text);
    h.sink.onResult(h.token, new Uint8Array([3, 0, 0, 0, value.length, ...value]), 0, value.length + 5);
    if (w.world.prng.chance(0.3)) w.run(1);
  }
  w.run(10);
  for (const [i, sink] of sinks.entries()) expect(sink.lines).toEqual([`${i}: "set k${i}=${i}"`]);
});

test('E71 a refusal in the middle of a pipeline is tried again, the others keep their answers', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sinks = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
  for (const [i, sink] of sinks.entries()) w.node(1).submit(sink, i, set('a', i));
  w.run(10);
  const leader = w.node(2).replica(1);
  leader.ok();
  leader.ok();
  leader.refuse('NOT_LEADER', 0);
  w.run(100);
  expect(leader.texts()).toEqual(['set a=2']);
  leader.ok();
  w.run(10);
  expect(sinks.map((sink) => sink.lines)).toEqual([['0: ok'], ['1: ok'], ['2: ok']]);
});

test('E70 what is not led here is refused with a hint, never forwarded', () => {
  const w = new GatewayWorld(3);
  w.lead(1, 3, 1);
  requestTo(w, 2, 1, 1, 1000, set('a', 1));
  expect(answersOf(w, 2)).toEqual([{ id: 5, text: 'NOT_LEADER', hint: 3 }]);
  w.node(2).replicas.delete(1);
  requestTo(w, 2, 1, 1, 1000, set('a', 1));
  expect(answersOf(w, 2)[1]).toEqual({ id: 5, text: 'SHARD_NOT_LOCAL', hint: 3 });
  expect(w.peers.frames.filter((frame) => frame.from === 2 && frame.to !== 1)).toEqual([]);
  expect(w.node(3).replica(1).handed).toEqual([]);
});

test('E70 two nodes that take each other for the leader: an error by the deadline, and nothing runs', () => {
  const w = new GatewayWorld(2);
  for (const [id, other] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const replica = w.node(id).replica(1);
    replica.serves = false;
    replica.leaderNode = other;
  }
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1), 500);
  w.run(1000);
  expect(sink.lines).toHaveLength(1);
  expect(sink.lines[0]).toMatch(/^1: (NOT_LEADER|SHARD_LEADER_UNKNOWN|UNAVAILABLE|OUTCOME_UNKNOWN)$/);
  expect(w.node(1).replica(1).handed).toEqual([]);
  expect(w.node(2).replica(1).handed).toEqual([]);
  // It asks now and then, and does not send the command round and round.
  expect(w.peers.frames.length).toBeLessThan(100);
});

test('E70 a request that was passed on too often, or is too late, or is no command, is refused', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  requestTo(w, 2, 1, 4, 1000, set('a', 1));
  requestTo(w, 2, 1, 1, 0, set('a', 1));
  requestTo(w, 2, 1, 1, 1000, new Uint8Array([64, 0, 0]));
  expect(answersOf(w, 2).map((answer) => answer.text)).toEqual([
    'TOO_MANY_HOPS',
    'DEADLINE_EXCEEDED',
    'INVALID_ARGUMENT',
  ]);
  requestTo(w, 2, 1, 3, 1000, set('a', 1));
  expect(w.node(2).replica(1).texts()).toEqual(['set a=1']);
});

test('a forwarded write is refused where the disk is nearly full, a read is not', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.node(2).refusal = 'DISK_FULL';
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, getCommand('a'));
  w.node(1).submit(sink, 2, set('a', 1));
  w.run(10);
  expect(w.node(2).replica(1).texts()).toEqual(['get a']);
  expect(sink.lines).toEqual(['2: DISK_FULL']);
});

test('E101 peers’ commands without an answer are bounded in bytes: past it OVERLOADED', () => {
  const w = new GatewayWorld(2, { inflightBytesMax: 1 << 30 });
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  const command = setCommand('a', new Uint8Array(1024 * 1024));
  for (let i = 0; i < 80; i++) {
    w.node(1).submit(sink, i, command);
    w.run(2);
  }
  w.run(10);
  // Nothing was answered: 64 MiB may wait there, 80 may not.
  expect(w.node(2).replica(1).handed.length).toBeLessThanOrEqual(64);
  expect(sink.lines.every((line) => line.endsWith('OVERLOADED'))).toBe(true);
  expect(sink.lines.length).toBeGreaterThanOrEqual(16);
});

test('a lost link: writes in flight are sent again in their session, reads too, held ones stay', () => {
  const w = new GatewayWorld(3);
  w.lead(1, 2, 1);
  const a = new RecordingSink();
  const b = new RecordingSink();
  w.node(1).submit(a, 1, set('a', 1));
  w.node(1).submit(b, 2, getCommand('a'));
  w.run(10);
  w.peers.cut(1, 2);
  expect(a.lines).toEqual([]);
  expect(b.lines).toEqual([]);
  w.lead(1, 3, 2);
  w.run(100);
  expect(w.node(3).replica(1).texts()).toEqual(['set a=1', 'get a']);
  w.node(3).replica(1).ok();
  w.node(3).replica(1).ok();
  w.run(10);
  expect([...a.lines, ...b.lines]).toEqual(['1: ok', '2: ok']);
});

test('answers that come after the link was lost are dropped', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1));
  w.run(10);
  w.peers.cut(1, 2);
  w.peers.heal(1, 2);
  w.node(1).submit(sink, 2, set('a', 2));
  w.node(2).replica(1).ok(); // the answer to the first
  w.run(100);
  expect(sink.lines).toEqual([]);
  expect(w.node(2).replica(1).texts()).toEqual(['set a=1', 'set a=2']);
  w.node(2).replica(1).ok();
  w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok', '2: ok']);
});

test('an answer from a node that was not asked is dropped', () => {
  const w = new GatewayWorld(3);
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1));
  w.run(10);
  // The low half of the serving side's token is the request's id.
  const id = (w.node(2).replica(1).handed[0]?.token as number) % 2 ** 32;
  w.node(1).gateway.onResponse(3, id, new Uint8Array([0]), 0, 1);
  w.node(1).gateway.onResponse(2, id + 1, new Uint8Array([0]), 0, 1);
  expect(sink.lines).toEqual([]);
  w.node(1).gateway.onResponse(2, id, new Uint8Array([0]), 0, 1);
  w.node(1).gateway.onResponse(2, id, new Uint8Array([0]), 0, 1);
  expect(sink.lines).toEqual(['1: ok']);
});

test('without a link a command waits, and leaves once there is one', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.peers.cut(1, 2);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1), 2000);
  w.run(500);
  expect(sink.lines).toEqual([]);
  w.peers.heal(1, 2);
  w.run(100);
  w.node(2).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok']);
});

test('without a link to the end a write is refused for certain: it never left', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.peers.cut(1, 2);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1), 500);
  w.run(600);
  expect(sink.lines).toHaveLength(1);
  expect(sink.lines[0]).toMatch(/^1: (UNAVAILABLE|SHARD_LEADER_UNKNOWN)$/);
});

test('nothing is answered inside a submit, also when it fills a frame that finds no link', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.peers.cut(1, 2);
  const sink = new RecordingSink();
  // No time is left for them: refused, they have to be answered.
  for (let i = 0; i < 4097; i++) w.node(1).submit(sink, i, getCommand('a'), 0);
  w.run(100);
  expect(sink.lines).toHaveLength(4097);
});

test('E107 commands that fill more than one frame keep their order when the link comes up in between', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.peers.cut(1, 2);
  const sink = new RecordingSink();
  const count = 4100;
  for (let i = 0; i < count; i++) w.node(1).submit(sink, i, set('a', i));
  w.peers.heal(1, 2);
  const leader = w.node(2).replica(1);
  const order: string[] = [];
  for (let i = 0; i < 100; i++) {
    w.run(10);
    order.push(...leader.texts());
    while (leader.handed.length > 0) leader.ok();
  }
  const numbers = order.map((text) => Number(text.slice('set a='.length)));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(sink.lines).toHaveLength(count);
});

test('a stopped forward server refuses, and what it was handed is answered as its replicas say', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  w.node(2).server.stop();
  requestTo(w, 2, 1, 1, 1000, set('a', 1));
  expect(answersOf(w, 2).map((answer) => answer.text)).toEqual(['UNAVAILABLE']);
  expect(w.node(2).replica(1).handed).toEqual([]);
});

test('what was forwarded and not answered is counted, and forgotten in the end', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1), 300);
  w.run(10);
  const pending = (): number => {
    const family = w
      .node(1)
      .metrics.list()
      .find((f) => f.name === 'forward_pending');
    return family?.read?.()[0]?.value ?? Number.NaN;
  };
  expect(pending()).toBe(1);
  w.run(400);
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
  // Its memory is given back once no answer can matter; the timer runs while something waits.
  const other = new RecordingSink();
  w.node(1).submit(other, 2, set('a', 2), 4000);
  w.run(3500);
  expect(pending()).toBe(1);
});

test('E71 answers owed over a link that broke are never sent over the next one', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 2, 1);
  const sink = new RecordingSink();
  w.node(1).submit(sink, 1, set('a', 1));
  w.run(10);
  // The asking node lives again, and its new life uses ids of its own; the serving one sees only the link break.
  w.node(2).server.onLinkDown(1);
  const before = w.peers.frames.length;
  w.node(2).replica(1).ok();
  w.run(10);
  expect(w.peers.frames.slice(before).filter((frame) => frame.from === 2)).toEqual([]);
});
