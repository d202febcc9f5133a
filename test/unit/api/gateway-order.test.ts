/** Decision 0001: commands of a shard leave in the order they came, and a change of leader does not turn them round. */
import { expect, test } from 'vitest';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { GatewayWorld } from '../../support/loop-gateway.js';

function set(value: number): Uint8Array {
  return setCommand('a', String(value));
}

/** Three nodes; the test looks from node 1 at commands that go to 2 and 3. */
function cluster(): { w: GatewayWorld; sink: RecordingSink } {
  const w = new GatewayWorld(3);
  w.lead(1, 2, 1);
  return { w, sink: new RecordingSink() };
}

test('E107 refused commands go to the new leader in their old order, before what came later', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, getCommand('a'));
  node.submit(sink, 3, set(3));
  w.run(10);
  const old = w.node(2).replica(1);
  expect(old.texts()).toEqual(['set a=1', 'get a', 'set a=3']);
  w.lead(1, 3, 2);
  node.submit(sink, 4, set(4));
  old.refuse('NOT_LEADER', 3);
  old.refuse('NOT_LEADER', 3);
  w.run(50);
  // One command is still out at the old leader: nothing leaves before it is answered.
  expect(w.node(3).replica(1).texts()).toEqual([]);
  node.submit(sink, 5, getCommand('a'));
  old.refuse('NOT_LEADER', 3);
  w.run(50);
  const { handed } = w.node(3).replica(1);
  expect(handed.map((h) => h.text)).toEqual(['set a=1', 'get a', 'set a=3', 'set a=4', 'get a']);
  for (const h of handed) expect(h.kind, 'reads ride in the log behind pending writes').toBe('write');
  while (handed.length > 0) w.node(3).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok', '2: ok', '3: ok', '4: ok', '5: ok']);
});

test('E20 what an old leader refused goes to the new one as soon as its last answer is there, not at the timer', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, set(2));
  w.run(10);
  const old = w.node(2).replica(1);
  old.refuse('NOT_LEADER', 3);
  w.run(30);
  w.lead(1, 3, 2);
  old.refuse('NOT_LEADER', 3);
  // The gateway's timer fired last as this begins, and fires next in 10 ms.
  w.run(5);
  expect(w.node(3).replica(1).texts()).toEqual(['set a=1', 'set a=2']);
});

test('E107 a change of leader alone holds new commands back until the old leader has answered', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  w.run(10);
  w.lead(1, 3, 2);
  node.submit(sink, 2, set(2));
  w.run(200);
  expect(w.node(3).replica(1).texts()).toEqual([]);
  w.node(2).replica(1).ok();
  w.run(50);
  expect(w.node(3).replica(1).texts()).toEqual(['set a=2']);
});

test('E107 a refused command that a later one has overtaken is refused to its caller', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, set(2));
  w.run(10);
  const leader = w.node(2).replica(1);
  // The second one ran, and its answer comes first.
  const first = leader.handed.shift();
  leader.ok();
  w.run(10);
  if (first !== undefined) leader.handed.push(first);
  leader.refuse('NOT_LEADER', 0);
  w.run(200);
  expect(sink.lines).toEqual(['2: ok', '1: UNAVAILABLE']);
  expect(leader.texts()).toEqual([]);
});

test('E107 a refused command is refused to its caller also when the later one is answered after it', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, set(2));
  w.run(10);
  const leader = w.node(2).replica(1);
  // A leader that hands over refuses, the transfer fails, and the next command is taken again.
  leader.refuse('NOT_LEADER', 0);
  leader.ok();
  w.run(200);
  // Running the first one now would leave the older value on top.
  expect(leader.texts()).toEqual([]);
  expect(sink.lines.sort()).toEqual(['1: UNAVAILABLE', '2: ok']);
});

test('E107 a refused command is not run behind a later one whose outcome is unknown', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, set(2));
  w.run(10);
  w.node(2).replica(1).refuse('NOT_LEADER', 0);
  w.run(5);
  w.peers.cut(1, 2); // the second may have run
  w.lead(1, 3, 2);
  w.run(200);
  expect(w.node(3).replica(1).texts()).toEqual([]);
  expect(sink.lines.sort()).toEqual(['1: UNAVAILABLE', '2: OUTCOME_UNKNOWN']);
});

test.each([
  ['the link broke under both', (w: GatewayWorld) => w.peers.cut(1, 2)],
  [
    'the leader refused the read and does not know what became of the write',
    (w: GatewayWorld) => {
      w.node(2).replica(1).refuse('NOT_LEADER', 0);
      w.node(2).replica(1).fail('OUTCOME_UNKNOWN');
    },
  ],
])(
  'E107 a read is not asked again before a write that is sent again, as that may have run: %s',
  (_, lose) => {
    const { w, sink } = cluster();
    const node = w.node(1);
    node.submit(sink, 1, getCommand('a'));
    node.submit(sink, 2, set(2));
    w.run(10);
    expect(w.node(2).replica(1).texts()).toEqual(['get a', 'set a=2']);
    lose(w);
    w.lead(1, 3, 2);
    w.run(200);
    const next = w.node(3).replica(1);
    expect(next.texts()).toEqual(['set a=2']);
    next.ok();
    w.run(10);
    expect(sink.lines).toEqual(['1: UNAVAILABLE', '2: ok']);
  },
);

test('E107 an old leader that stays silent is given up after a second: writes are unknown', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  w.run(10);
  w.lead(1, 3, 2);
  node.submit(sink, 2, set(2));
  w.run(900);
  expect(sink.lines).toEqual([]);
  w.run(250);
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
  expect(w.node(3).replica(1).texts()).toEqual(['set a=2']);
  w.node(2).replica(1).ok();
  w.node(3).replica(1).ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN', '2: ok']);
});

test('E107 refused by the own replica, commands follow the leadership to another node', () => {
  const w = new GatewayWorld(2);
  w.lead(1, 1, 1);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, set(1));
  node.submit(sink, 2, set(2));
  w.lead(1, 2, 2);
  node.replica(1).refuse('NOT_LEADER', 2);
  node.replica(1).refuse('NOT_LEADER', 2);
  node.submit(sink, 3, set(3));
  w.run(100);
  expect(w.node(2).replica(1).texts()).toEqual(['set a=1', 'set a=2', 'set a=3']);
});

test('other shards go on while one is being re-routed', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  w.lead(2, 1, 1);
  node.submit(sink, 1, set(1));
  w.run(10);
  w.lead(1, 0, 2);
  w.node(2).replica(1).refuse('NOT_LEADER', 0);
  w.run(20);
  node.submit(sink, 2, set(2), 5000, 16383);
  expect(node.replica(2).texts()).toEqual(['set a=2']);
});

test('a leader that refuses is not asked again at once, and is asked again later', () => {
  const { w, sink } = cluster();
  const node = w.node(1);
  node.submit(sink, 1, set(1));
  w.run(10);
  let refused = 0;
  const stubborn = w.node(2).replica(1);
  stubborn.refuse('NOT_LEADER', 0);
  for (let i = 0; i < 100; i++) {
    w.run(1);
    if (stubborn.handed.length > 0) {
      refused++;
      stubborn.refuse('NOT_LEADER', 0);
    }
  }
  expect(refused).toBeGreaterThanOrEqual(1);
  expect(refused).toBeLessThan(8);
  w.run(50);
  stubborn.ok();
  w.run(10);
  expect(sink.lines).toEqual(['1: ok']);
});

test('a held command whose deadline is over does not leave with the others', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, set(1), 100);
  node.submit(sink, 2, set(2), 2000);
  w.run(500);
  w.lead(1, 1, 1);
  w.run(50);
  expect(node.replica(1).texts()).toEqual(['set a=2']);
  expect(sink.lines).toEqual(['1: SHARD_LEADER_UNKNOWN']);
});

test('E99 a command whose deadline is over is not sent any more, also when a leader is found just then', () => {
  const w = new GatewayWorld(1);
  const node = w.node(1);
  const sink = new RecordingSink();
  node.submit(sink, 1, set(1), 105);
  w.run(104);
  w.lead(1, 1, 1);
  w.run(100);
  expect(node.replica(1).texts()).toEqual([]);
  expect(sink.lines).toEqual(['1: SHARD_LEADER_UNKNOWN']);
});

test.each([
  ['here', 2],
  ['on another node', 1],
])(
  'a write tells its leader, %s, whether its connection waits for nothing else of the shard',
  (_where, at) => {
    const { w, sink } = cluster();
    const other = new RecordingSink();
    const node = w.node(at);
    node.submit(sink, 1, set(1));
    node.submit(sink, 2, set(2));
    node.submit(sink, 3, getCommand('a'));
    node.submit(other, 4, set(4));
    w.run(10);
    const leader = w.node(2).replica(1);
    expect(leader.handed.map((h) => [h.isRead, h.isAlone])).toEqual([
      [false, true],
      [false, false],
      [true, false],
      [false, true],
    ]);
    for (let i = 0; i < 4; i++) leader.ok();
    w.run(10);
    node.submit(sink, 5, getCommand('a'));
    node.submit(sink, 6, set(6));
    w.run(10);
    expect(leader.handed.map((h) => [h.isRead, h.isAlone])).toEqual([
      [true, false],
      [false, false],
    ]);
  },
);
