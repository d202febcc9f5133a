/** One replica that is its own quorum: from a command to its reply, through a real core and a real state machine. */
import { expect, test } from 'vitest';
import { ByteReader, ENTRY_HEADER_BYTES, type ByteWriter } from '../../../src/base/index.js';
import { putBytes } from '../../../src/kv/index.js';
import { ENTRY_COMMANDS_MAX } from '../../../src/group/write-batch.js';
import {
  getCommand,
  incrCommand,
  mgetCommand,
  RecordingSink,
  setCommand,
} from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';

function write(
  t: ReplicaUnderTest,
  sink: RecordingSink,
  token: number,
  command: Uint8Array,
  afterReads = false,
): void {
  sink.quiet = true;
  t.replica.submitWrite(command, 0, command.length, afterReads, sink, token);
  sink.quiet = false;
}

function read(t: ReplicaUnderTest, sink: RecordingSink, token: number, key: string): void {
  const command = getCommand(key);
  sink.quiet = true;
  t.replica.submitRead(command, 0, command.length, sink, token);
  sink.quiet = false;
}

function commandsOf(entry: Uint8Array): number {
  const r = new ByteReader(entry);
  r.skip(9);
  return r.u32();
}

function stampOf(entry: Uint8Array): number {
  const r = new ByteReader(entry);
  r.skip(1);
  return r.u64();
}

test('a write is answered once its entry is durable and applied, not before', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1'));
  expect(t.host.dirty).toBe(true);
  t.turn();
  t.turn();
  expect(sink.lines).toEqual([]);
  expect(t.kv.itemCount).toBe(0);
  t.host.persist();
  t.turn();
  expect(sink.take()).toEqual(['1: ok']);
  expect(t.kv.itemCount).toBe(1);
});

test('a read after an acknowledged write sees it', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1'));
  t.settle();
  read(t, sink, 2, 'a');
  read(t, sink, 3, 'b');
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: "1"', '3: nil']);
});

test('E107 pipelined SET, GET, SET, GET on one connection take effect in their order', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  // As the gateway hands them in: reads behind pending writes ride in the log.
  write(t, sink, 1, setCommand('a', '1'));
  write(t, sink, 2, getCommand('a'));
  write(t, sink, 3, setCommand('a', '2'), true);
  write(t, sink, 4, getCommand('a'), true);
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: "1"', '3: ok', '4: "2"']);
  expect(t.entries().filter((entry) => entry.length > 0)).toHaveLength(1);
});

test('writes of many connections share one entry, and each gets its own reply', () => {
  const t = new ReplicaUnderTest().lead();
  const sinks = Array.from({ length: 50 }, () => new RecordingSink());
  const before = t.entries().length;
  for (const [i, sink] of sinks.entries()) write(t, sink, i, incrCommand('n'));
  t.settle();
  expect(t.entries().length).toBe(before + 1);
  for (const [i, sink] of sinks.entries()) expect(sink.lines).toEqual([`${i}: ${i + 1}`]);
});

test('E33 more commands than an entry takes go into several, in order', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  const before = t.entries().length;
  const count = ENTRY_COMMANDS_MAX * 2 + 1;
  for (let i = 0; i < count; i++) write(t, sink, i, incrCommand('n'));
  t.settle();
  const counts = t.entries().slice(before).map(commandsOf);
  expect(counts).toEqual([ENTRY_COMMANDS_MAX, ENTRY_COMMANDS_MAX, 1]);
  expect(sink.lines).toEqual(Array.from({ length: count }, (_, i) => `${i}: ${i + 1}`));
});

test('a malformed command is answered with an error and harms nobody else', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1'));
  write(t, sink, 2, new Uint8Array([64, 0, 0, 0, 9]));
  write(t, sink, 3, setCommand('a', '3'));
  t.settle();
  expect(sink.lines[0]).toBe('1: ok');
  expect(sink.lines[1]).toMatch(/^2: error/);
  expect(sink.lines[2]).toBe('3: ok');
});

test('E105 a read that needs time has a time entry appended, and sees the key gone', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1', 100));
  t.settle();
  const before = t.entries().length;
  t.world.run(99);
  read(t, sink, 2, 'a');
  t.settle();
  expect(t.entries().length).toBe(before);
  t.world.run(2);
  read(t, sink, 3, 'a');
  read(t, sink, 4, 'a');
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: "1"', '3: nil', '4: nil']);
  const added = t.entries().slice(before);
  expect(added.map((entry) => entry.length)).toEqual([ENTRY_HEADER_BYTES]);
  expect(stampOf(added[0] as Uint8Array)).toBeGreaterThanOrEqual(t.kv.timestampMs());
});

test('reads of other connections are not held back by one that needs time', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  const other = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1', 100));
  write(t, sink, 2, setCommand('b', '2'));
  t.settle();
  t.world.run(200);
  read(t, sink, 3, 'a');
  read(t, other, 4, 'b');
  t.turn();
  t.turn();
  expect(sink.lines).toEqual(['1: ok', '2: ok']);
  expect(other.lines).toEqual(['4: "2"']);
  t.settle();
  expect(sink.lines.at(-1)).toBe('3: nil');
});

test('E107 a read behind one of its connection that needs time waits for it, and sees no less', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  const writer = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1', 100));
  write(t, sink, 2, setCommand('b', 'old'));
  t.settle();
  sink.take();
  t.world.run(200);
  const both = mgetCommand('a', 'b');
  t.replica.submitRead(both, 0, both.length, sink, 3);
  read(t, sink, 4, 'b');
  t.turn();
  read(t, sink, 5, 'b');
  write(t, writer, 6, setCommand('b', 'new'));
  t.settle();
  expect(sink.lines).toEqual(['3: [nil "new"]', '4: "new"', '5: "new"']);
});

test('E107 a read that needs time is still answered before a later write of its connection is applied', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', 'old', 100));
  t.settle();
  t.world.run(200);
  read(t, sink, 2, 'a');
  write(t, sink, 3, setCommand('a', 'new'), true);
  t.settle();
  // The read came first: it may say nil (expired), never what was written behind it.
  expect(sink.lines).toEqual(['1: ok', '2: nil', '3: ok']);
});

test('E105 a read of several keys that needs time is whole when it is answered', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', '1', 100));
  write(t, sink, 2, setCommand('b', '2'));
  t.settle();
  t.world.run(150);
  const command = mgetCommand('a', 'b');
  t.replica.submitRead(command, 0, command.length, sink, 3);
  t.settle();
  expect(sink.lines.at(-1)).toBe('3: [nil "2"]');
});

test('expired items are reaped by the leader through the log', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  for (let i = 0; i < 600; i++) write(t, sink, i, setCommand(`k${i}`, 'v', 100));
  t.settle();
  expect(t.kv.itemCount).toBe(600);
  const before = t.entries().length;
  t.world.run(50);
  t.replica.tick(true);
  t.settle();
  expect(t.kv.itemCount).toBe(600);
  t.world.run(100);
  for (let i = 0; i < 10; i++) {
    t.replica.tick(true);
    t.settle();
  }
  expect(t.kv.itemCount).toBe(0);
  expect(t.entries().length).toBeGreaterThan(before);
  const after = t.entries().length;
  for (let i = 0; i < 10; i++) {
    t.replica.tick(true);
    t.settle();
  }
  expect(t.entries().length).toBe(after);
});

test('a replica that does not lead gives writes and reads back, whole', () => {
  const t = new ReplicaUnderTest([1, 2, 3]);
  const sink = new RecordingSink();
  expect(t.replica.serves).toBe(false);
  write(t, sink, 1, setCommand('a', '1'));
  write(t, sink, 2, setCommand('b', '2'));
  read(t, sink, 3, 'c');
  t.settle();
  expect(sink.lines.sort()).toEqual([
    '1 refused NOT_LEADER 0: set a=1',
    '2 refused NOT_LEADER 0: set b=2',
    '3 refused NOT_LEADER 0: get c',
  ]);
  expect(t.entries()).toEqual([]);
});

test('a refusal names the node that leads', () => {
  const t = new ReplicaUnderTest([1, 2, 3]);
  const sink = new RecordingSink();
  t.step('heartbeat', { from: 3, term: 4, commit: 0 });
  t.settle();
  expect(t.replica.leaderNode).toBe(3);
  write(t, sink, 1, setCommand('a', '1'));
  read(t, sink, 2, 'a');
  t.settle();
  expect(sink.lines.sort()).toEqual(['1 refused NOT_LEADER 3: set a=1', '2 refused NOT_LEADER 3: get a']);
});

test('E31 past the bound on uncommitted bytes writes are refused as OVERLOADED, and later ones are taken again', () => {
  const t = new ReplicaUnderTest([1, 2, 3], { uncommittedBytesMax: 4096 }).lead();
  const sink = new RecordingSink();
  for (let i = 0; i < 10; i++) {
    write(t, sink, i, setCommand('a', 'x'.repeat(1000)));
    t.turn();
    t.host.persist();
  }
  expect(sink.lines.length).toBeGreaterThan(0);
  for (const line of sink.lines) expect(line).toMatch(/^\d+ refused OVERLOADED/);
  const refused = sink.take().length;
  t.acknowledge();
  t.settle();
  expect(sink.take()).toHaveLength(10 - refused);
  write(t, sink, 99, setCommand('a', 'y'));
  t.turn();
  t.host.persist();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['99: ok']);
});

test('a checkpoint is written when the log since the last one is long enough, and the log is cut behind the older', () => {
  const t = new ReplicaUnderTest([1], {}, null, { bytes: 1 << 30, entries: 20 }).lead();
  const sink = new RecordingSink();
  for (let i = 0; i < 100; i++) {
    write(t, sink, i, setCommand(`k${i}`, 'v'));
    t.settle();
    t.world.run(1);
    t.settle();
  }
  expect(t.replica.policy.written).toBeGreaterThanOrEqual(3);
  expect(t.host.checkpoints.files.size).toBeLessThanOrEqual(2);
  const log = t.host.store.logOf(1);
  expect(log.truncatedIndex).toBeGreaterThan(0);
  expect(log.entries.length).toBeLessThan(80);
  expect(sink.lines.every((line) => line.endsWith(': ok'))).toBe(true);
});

test('E32 commit far ahead of apply: new writes are refused, not queued, and taken again once it caught up', () => {
  const t = new ReplicaUnderTest([1], { committedBytesMax: 1 << 30, uncommittedBytesMax: 1 << 30 }).lead();
  const sink = new RecordingSink();
  // An entry each, durable and committed; nothing is applied meanwhile.
  const commit = (token: number): void => {
    write(t, sink, token, setCommand('a', String(token)));
    t.replica.propose();
    t.replica.collect();
    t.host.persist();
  };
  for (let i = 0; i <= 5000; i++) commit(i);
  expect(t.replica.raft.commit - t.replica.appliedIndex).toBe(5001);
  expect(sink.take()).toEqual([]);
  commit(-1);
  expect(sink.take()).toEqual(['-1 refused OVERLOADED 1: set a=-1']);
  t.settle();
  expect(sink.take()).toHaveLength(5001);
  commit(-2);
  t.settle();
  expect(sink.take()).toEqual(['-2: ok']);
});

test('apply ends its slice when its time is over, and says that work is left', () => {
  let applied = 0;
  const t: ReplicaUnderTest = new ReplicaUnderTest(
    [1],
    {},
    {
      apply: () => {
        applied++;
        t.world.run(5); // each entry takes 5 ms
      },
      timestampMs: () => 0,
      stateHash: () => '',
      snapshot: () => ({ next: () => null, release: () => undefined }),
      loader: () => ({ push: () => undefined, finish: () => undefined, drop: () => undefined }),
      read: (_bytes: Uint8Array, _start: number, _end: number, _nowMs: number, _out: ByteWriter) =>
        'done' as const,
      readAt: () => undefined,
      nextDueMs: () => Infinity,
      encodeReap: () => 0,
    },
  ).lead();
  const sink = new RecordingSink();
  for (let i = 0; i < 4; i++) {
    write(t, sink, i, setCommand('a', '1'));
    t.replica.propose();
  }
  t.replica.collect();
  t.host.persist();
  t.replica.collect();
  expect(t.replica.applySlice(t.world.clock.monoMs() + 8)).toBe(true);
  expect(applied).toBe(2);
  expect(t.replica.applySlice(t.world.clock.monoMs() + 100)).toBe(false);
  expect(applied).toBe(4);
});

test('a batch of reads with large answers runs over several turns, in its order, and says that work is left', () => {
  const t: ReplicaUnderTest = new ReplicaUnderTest(
    [1],
    {},
    {
      apply: () => undefined,
      timestampMs: () => 0,
      stateHash: () => '',
      snapshot: () => ({ next: () => null, release: () => undefined }),
      loader: () => ({ push: () => undefined, finish: () => undefined, drop: () => undefined }),
      read: (_bytes: Uint8Array, _start: number, _end: number, _nowMs: number, out: ByteWriter) => {
        putBytes(out, new Uint8Array(100_000));
        t.world.run(5); // each read takes 5 ms
        return 'done' as const;
      },
      readAt: () => undefined,
      nextDueMs: () => Infinity,
      encodeReap: () => 0,
    },
  ).lead();
  const tokens: number[] = [];
  const sink = { onResult: (token: number) => tokens.push(token), onRefused: () => undefined };
  for (let i = 0; i < 4; i++) t.replica.submitRead(getCommand('a'), 0, getCommand('a').length, sink, i);
  t.replica.askReads();
  t.replica.collect();
  expect(t.replica.applySlice(t.world.clock.monoMs() + 8)).toBe(true);
  expect(tokens).toEqual([0, 1]);
  expect(t.replica.applySlice(t.world.clock.monoMs() + 100)).toBe(false);
  expect(tokens).toEqual([0, 1, 2, 3]);
});

test('a batch of reads that was cut short is refused from where it stopped when the node stops', () => {
  const t: ReplicaUnderTest = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 1, setCommand('a', 'x'.repeat(100_000)));
  t.turn();
  t.host.persist();
  t.turn();
  sink.take();
  for (let i = 0; i < 3; i++) read(t, sink, 10 + i, 'a');
  t.replica.askReads();
  t.replica.collect();
  expect(t.replica.applySlice(t.world.clock.monoMs())).toBe(true);
  expect(sink.take()).toHaveLength(1);
  t.replica.stop();
  expect(sink.take().map((line) => line.slice(0, 22))).toEqual([
    '11 refused UNAVAILABLE',
    '12 refused UNAVAILABLE',
  ]);
});
