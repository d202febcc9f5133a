/** One replica around the moment at which a key is over, and commands of many keys while applying goes in slices. */
import { expect, test } from 'vitest';
import { ByteWriter, encodeUtf8 } from '../../../src/base/index.js';
import { beginCommand, beginMany, encodeScan, Op, putKey, putValue } from '../../../src/kv/index.js';
import { getCommand, mgetCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';
import { cmd } from '../kv/kv-driver.js';

function built(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter();
  write(w);
  return w.take();
}

function read(t: ReplicaUnderTest, sink: RecordingSink, token: number, command: Uint8Array): void {
  t.replica.submitRead(command, 0, command.length, sink, token);
}

function write(t: ReplicaUnderTest, sink: RecordingSink, token: number, command: Uint8Array): void {
  t.replica.submitWrite(command, 0, command.length, false, sink, token);
}

test('E91 asked at once, GET, EXISTS, TTL, MGET, TYPE and SCAN agree at every moment; DBSIZE within a second', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 0, setCommand('k', 'v', 100));
  t.settle();
  const reads = [
    getCommand('k'),
    cmd.many(Op.exists, ['k']),
    cmd.ttl('k'),
    mgetCommand('k'),
    cmd.type('k'),
    built((w) => encodeScan(w, 0, 10, null)),
  ];
  const gone = ['nil', '0', '-2', '[nil]', 'none', '[4294967296 []]'];
  const there = ['"v"', '1', expect.stringMatching(/^\d+$/), '["v"]', 'string', '[4294967296 ["k"]]'];
  let wasGone = false;
  const seen = new Set<boolean>();
  for (let step = 0; step < 150; step++) {
    t.world.run(1);
    sink.take();
    reads.forEach((command, i) => read(t, sink, i, command));
    t.settle();
    const answers = sink
      .take()
      .sort((a, b) => Number(a.split(':')[0]) - Number(b.split(':')[0]))
      .map((line) => line.replace(/^\d+: /, ''));
    const isGone = answers[0] === 'nil';
    expect(answers).toEqual(isGone ? gone : there);
    if (wasGone) expect(isGone).toBe(true); // lazily gone, then reaped: one history
    wasGone = isGone;
    seen.add(isGone);
    if (step > 120) t.replica.tick(true);
  }
  expect(seen.size).toBe(2);
  const dbsize = built((w) => beginCommand(w, Op.dbsize));
  read(t, sink, 0, dbsize);
  t.settle();
  expect(sink.take()).toEqual(['0: 0']);
});

test('E91 one tick after its time is over an item is reaped by the log, and DBSIZE no longer counts it', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  write(t, sink, 0, setCommand('k', 'v', 100));
  t.settle();
  t.world.run(101);
  const dbsize = built((w) => beginCommand(w, Op.dbsize));
  read(t, sink, 1, dbsize);
  t.settle();
  t.replica.tick(true);
  t.settle();
  read(t, sink, 2, dbsize);
  t.settle();
  expect(sink.lines).toEqual(['0: ok', '1: 1', '2: 0']);
  expect(t.host.metrics.expired.value).toBe(1);
});

test('E123 no reader sees half of a command of 1,024 operations, however applying is sliced', () => {
  const t = new ReplicaUnderTest().lead();
  const writer = new RecordingSink();
  const reader = new RecordingSink();
  const keys = Array.from({ length: 1024 }, (_, i) => `key-${i}`);
  const all = mgetCommand(...keys);
  const rounds = 8;
  let asked = 0;
  for (let round = 0; round < rounds; round++) {
    const pairs = built((w) => {
      beginMany(w, Op.mset, keys.length);
      for (const key of keys) {
        putKey(w, encodeUtf8(key));
        putValue(w, encodeUtf8(`round ${round}`));
      }
    });
    write(t, writer, round, pairs);
    // Each in an entry of its own, and a slice ends behind every entry.
    t.replica.propose();
    read(t, reader, asked++, all);
    t.replica.askReads();
    t.replica.collect();
    t.host.persist();
    t.replica.collect();
    for (let slices = 0; slices < 3; slices++) {
      t.replica.applySlice(0);
      read(t, reader, asked++, all);
      t.replica.askReads();
      t.replica.collect();
    }
  }
  t.settle();
  expect(writer.lines).toHaveLength(rounds);
  expect(reader.lines).toHaveLength(asked);
  const states = new Set<string>();
  for (const line of reader.lines) {
    const values = new Set(
      line
        .replace(/^\d+: \[/, '')
        .replace(/\]$/, '')
        .match(/"[^"]*"|nil/g),
    );
    expect(values.size).toBe(1);
    states.add([...values][0] as string);
  }
  expect(states.size).toBeGreaterThan(rounds / 2);
});

test('many that are due go one entry after the other, without another tick', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  for (let i = 0; i < 600; i++) write(t, sink, i, setCommand(`key${i}`, 'v', 100));
  t.settle();
  t.world.run(101);
  const before = t.entries().length;
  t.replica.tick(true);
  for (let i = 0; i < 10; i++) t.settle();
  expect(t.kv.itemCount).toBe(0);
  expect(t.entries().length - before).toBeLessThanOrEqual(4);
});
