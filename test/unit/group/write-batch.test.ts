import { expect, test } from 'vitest';
import { ByteReader, ENTRY_HEADER_BYTES } from '../../../src/base/index.js';
import {
  ENTRY_BYTES_MAX,
  ENTRY_COMMANDS_MAX,
  refuseBatch,
  WriteBatchBuilder,
} from '../../../src/group/write-batch.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';

function filled(bytes: number, byte = 1): Uint8Array {
  return new Uint8Array(bytes).fill(byte);
}

function add(builder: WriteBatchBuilder, command: Uint8Array, readBarrier = 0): void {
  builder.add(command, 0, command.length, readBarrier, new RecordingSink(), 0);
}

test('E33 takes as many bytes as the limit allows, and not one more', () => {
  const builder = new WriteBatchBuilder();
  add(builder, filled(1000));
  const left = ENTRY_BYTES_MAX - builder.bytes - 4;
  expect(builder.fits(left)).toBe(true);
  expect(builder.fits(left + 1)).toBe(false);
  add(builder, filled(left));
  expect(builder.bytes).toBe(ENTRY_BYTES_MAX);
  expect(builder.fits(0)).toBe(false);
});

test('E33 takes as many commands as the limit allows, and not one more', () => {
  const builder = new WriteBatchBuilder();
  for (let i = 0; i < ENTRY_COMMANDS_MAX; i++) {
    expect(builder.fits(5)).toBe(true);
    add(builder, filled(5));
  }
  expect(builder.fits(5)).toBe(false);
});

test('E33 a command larger than an entry gets one of its own', () => {
  const builder = new WriteBatchBuilder();
  expect(builder.fits(ENTRY_BYTES_MAX * 3)).toBe(true);
  add(builder, filled(ENTRY_BYTES_MAX * 3));
  expect(builder.fits(1)).toBe(false);
  expect(builder.close(7).data.length).toBe(ENTRY_HEADER_BYTES + 4 + ENTRY_BYTES_MAX * 3);
});

test('closes with stamp, count and the commands in order, and is empty again', () => {
  const builder = new WriteBatchBuilder();
  const source = new Uint8Array([9, 9, 1, 2, 3, 9]);
  const sink = new RecordingSink();
  builder.add(source, 2, 5, 0, sink, 70);
  builder.add(source, 4, 4, 0, sink, 71);
  source.fill(0);
  const batch = builder.close(1_700_000_000_123);
  const r = new ByteReader(batch.data);
  expect([r.u8(), r.u64(), r.u32()]).toEqual([1, 1_700_000_000_123, 2]);
  expect([...r.bytes(r.u32())]).toEqual([1, 2, 3]);
  expect(r.u32()).toBe(0);
  expect(r.remaining).toBe(0);
  expect(batch).toMatchObject({ count: 2, tokens: [70, 71], sinks: [sink, sink] });
  expect(builder.count).toBe(0);
  const next = builder.close(5);
  expect(next.count).toBe(0);
  expect(next.data.length).toBe(ENTRY_HEADER_BYTES);
});

test('a closed batch does not change when the next one is filled', () => {
  const builder = new WriteBatchBuilder();
  add(builder, filled(100, 1));
  const batch = builder.close(1);
  const before = [...batch.data];
  add(builder, filled(100, 2));
  builder.close(2);
  expect([...batch.data]).toEqual(before);
  expect(batch.count).toBe(1);
  expect(batch.tokens).toHaveLength(1);
});

test('keeps the highest read barrier, and forgets it with the batch', () => {
  const builder = new WriteBatchBuilder();
  add(builder, filled(1), 3);
  add(builder, filled(1), 5);
  add(builder, filled(1), 4);
  expect(builder.close(1).readBarrier).toBe(5);
  add(builder, filled(1));
  expect(builder.close(1).readBarrier).toBe(0);
});

test('a refused batch gives every sink its own bytes back, in order', () => {
  const builder = new WriteBatchBuilder();
  const a = new RecordingSink();
  const b = new RecordingSink();
  for (const [sink, token, value] of [
    [a, 1, 'one'],
    [b, 2, ''],
    [a, 3, 'three'],
  ] as const) {
    const command = setCommand('k', value);
    builder.add(command, 0, command.length, 0, sink, token);
  }
  refuseBatch(builder.close(1), 'NOT_LEADER', 4);
  expect(a.lines).toEqual(['1 refused NOT_LEADER 4: set k=one', '3 refused NOT_LEADER 4: set k=three']);
  expect(b.lines).toEqual(['2 refused NOT_LEADER 4: set k=']);
});

test('refusing an empty batch (a time entry) answers nobody', () => {
  refuseBatch(new WriteBatchBuilder().close(1), 'NOT_LEADER', 0);
});
