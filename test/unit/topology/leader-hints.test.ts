import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/base/index.js';
import { LeaderHints } from '../../../src/topology/index.js';

/** Sends everything after `cursor`; returns the new cursor and how many hints the receiver took. */
function gossip(from: LeaderHints, to: LeaderHints, cursor = 0, countMax = 1000): [number, number] {
  const w = new ByteWriter();
  const next = from.encodeSince(cursor, countMax, w);
  return [next, to.merge(new ByteReader(w.view()))];
}

test('a lower hint never replaces a higher one', () => {
  const hints = new LeaderHints();
  expect(hints.note(1, 5, 2, 7)).toBe(true);
  expect(hints.note(1, 4, 9, 8)).toBe(false);
  expect(hints.note(1, 5, 1, 8)).toBe(false);
  expect(hints.note(1, 5, 2, 8)).toBe(false);
  expect(hints.nodeOf(1)).toBe(7);
  expect(hints.note(1, 5, 3, 8)).toBe(true);
  expect(hints.note(1, 6, 1, 9)).toBe(true);
  expect(hints.get(1)).toMatchObject({ term: 6, configurationVersion: 1, node: 9 });
});

test('a new term without a leader is replaced once the leader is known', () => {
  const hints = new LeaderHints();
  hints.note(1, 5, 1, 7);
  expect(hints.note(1, 6, 1, 0)).toBe(true);
  expect(hints.nodeOf(1)).toBe(0);
  expect(hints.note(1, 6, 1, 8)).toBe(true);
  expect(hints.note(1, 6, 1, 0)).toBe(false);
  expect(hints.nodeOf(1)).toBe(8);
  expect(hints.nodeOf(2)).toBe(0);
});

test('gossip tells only what changed since the cursor, each group once', () => {
  const a = new LeaderHints();
  const b = new LeaderHints();
  for (let group = 1; group <= 10; group++) a.note(group, 1, 1, 1);
  a.note(3, 2, 1, 2);
  let [cursor, taken] = gossip(a, b);
  expect(taken).toBe(10);
  expect(b.nodeOf(3)).toBe(2);
  expect(gossip(a, b, cursor)).toEqual([cursor, 0]);
  a.note(5, 2, 1, 3);
  [cursor, taken] = gossip(a, b, cursor);
  expect(taken).toBe(1);
  expect(cursor).toBe(a.sequence);
});

test('gossip in small portions reaches the same hints, and repeating it changes nothing', () => {
  const a = new LeaderHints();
  const b = new LeaderHints();
  for (let i = 0; i < 100; i++) a.note(i % 7, i, 1, (i % 5) + 1);
  let cursor = 0;
  for (let round = 0; round < 100; round++) cursor = gossip(a, b, cursor, 2)[0];
  for (let group = 0; group < 7; group++) expect(b.get(group)).toMatchObject({ node: a.nodeOf(group) });
  expect(gossip(a, b)[1]).toBe(0);
  expect(gossip(b, a)[1]).toBe(0);
});

test('many changes of few groups keep the memory of changes short and cursors valid', () => {
  const a = new LeaderHints();
  const b = new LeaderHints();
  a.note(1, 1, 1, 1);
  const cursor = a.sequence;
  for (let term = 1; term <= 10_000; term++) a.note(2, term, 1, 1);
  const w = new ByteWriter();
  expect(a.encodeSince(cursor, 1000, w)).toBe(a.sequence);
  expect(w.length).toBe(5 + 24);
  b.merge(new ByteReader(w.view()));
  expect(b.groupCount).toBe(1);
  expect(b.get(2)?.term).toBe(10_000);
});

test('malformed hints are refused', () => {
  const hints = new LeaderHints();
  expect(() => hints.merge(new ByteReader(new Uint8Array([9, 0, 0, 0, 0])))).toThrow('format version 9');
  expect(() => hints.merge(new ByteReader(new Uint8Array([1, 255, 255, 255, 255])))).toThrow('do not fit');
  expect(() => hints.merge(new ByteReader(new Uint8Array([1, 0])))).toThrow();
  expect(hints.groupCount).toBe(0);
});
