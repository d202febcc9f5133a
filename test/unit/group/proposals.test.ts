import { expect, test } from 'vitest';
import { Proposals } from '../../../src/group/proposals.js';
import { WriteBatchBuilder, type WriteBatch } from '../../../src/group/write-batch.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';

/** A batch of one command for each token. */
function batchOf(sink: RecordingSink, ...tokens: number[]): WriteBatch {
  const builder = new WriteBatchBuilder();
  for (const token of tokens) {
    const command = setCommand('k', String(token));
    builder.add(command, 0, command.length, 0, sink, token);
  }
  return builder.close(1);
}

test('a batch is found by index and term, once', () => {
  const sink = new RecordingSink();
  const proposals = new Proposals();
  const first = batchOf(sink, 1);
  const second = batchOf(sink, 2);
  proposals.add(5, 2, first, 100);
  proposals.add(6, 2, second, 200);
  expect(proposals.peek(4, 2)).toBeNull();
  expect(proposals.peek(5, 2)).toBe(first);
  expect(proposals.peek(5, 2)).toBe(first);
  expect(proposals.take(5)).toBe(100);
  expect(proposals.peek(6, 2)).toBe(second);
  expect(proposals.take(6)).toBe(200);
  expect(proposals.length).toBe(0);
  expect(sink.lines).toEqual([]);
});

test('E27 another entry at the index is no reply: the waiter learns that nobody knows', () => {
  const sink = new RecordingSink();
  const proposals = new Proposals();
  proposals.add(5, 2, batchOf(sink, 1, 2), 100);
  expect(proposals.peek(5, 3)).toBeNull();
  proposals.peek(6, 3);
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN', '2: OUTCOME_UNKNOWN']);
  expect(proposals.length).toBe(0);
});

test('E27 a later term at a lower index rolls the old proposals back', () => {
  const sink = new RecordingSink();
  const proposals = new Proposals();
  proposals.add(5, 2, batchOf(sink, 1), 100);
  proposals.add(6, 2, batchOf(sink, 2), 100);
  proposals.add(7, 2, batchOf(sink, 3), 100);
  const again = batchOf(sink, 4);
  proposals.add(6, 4, again, 300);
  expect(sink.lines.sort()).toEqual(['2: OUTCOME_UNKNOWN', '3: OUTCOME_UNKNOWN']);
  expect(proposals.peek(5, 2)).not.toBeNull();
  proposals.take(5);
  expect(proposals.peek(6, 4)).toBe(again);
});

test('E27 an index skipped by a snapshot leaves its waiters unknown, and only them', () => {
  const sink = new RecordingSink();
  const proposals = new Proposals();
  for (const index of [5, 6, 7]) proposals.add(index, 2, batchOf(sink, index), 0);
  proposals.answerUpTo(6);
  expect(sink.lines).toEqual(['5: OUTCOME_UNKNOWN', '6: OUTCOME_UNKNOWN']);
  expect(proposals.peek(7, 2)).not.toBeNull();
});

test('stopping answers every waiter once', () => {
  const sink = new RecordingSink();
  const proposals = new Proposals();
  for (let index = 1; index <= 300; index++) proposals.add(index, 1, batchOf(sink, index), 0);
  for (let index = 1; index <= 200; index++) {
    expect(proposals.peek(index, 1)).not.toBeNull();
    proposals.take(index);
  }
  proposals.answerAll('stopping');
  proposals.answerAll('stopping');
  expect(sink.lines).toHaveLength(100);
  expect(sink.lines[0]).toBe('201: OUTCOME_UNKNOWN');
});

test('taking what was not proposed is an error of ours', () => {
  expect(() => new Proposals().take(3)).toThrow('no proposal');
});
