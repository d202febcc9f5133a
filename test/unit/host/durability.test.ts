import { expect, test } from 'vitest';
import type { Replica } from '../../../src/group/index.js';
import { Durability } from '../../../src/host/durability.js';
import { makeMessage } from '../../support/raft-builders.js';

/** Writes down what replicas are told and what leaves, in one list. */
class Recorder {
  readonly lines: string[] = [];
  readonly durability = new Durability((replica, message) =>
    this.lines.push(`send ${nameOf(replica)} ${message.to}`),
  );

  replica(name: string): Replica {
    const fake = { name, onPersisted: (number: number) => this.lines.push(`${name} persisted ${number}`) };
    return fake as unknown as Replica;
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

function nameOf(replica: Replica): string {
  return (replica as unknown as { name: string }).name;
}

function to(node: number): ReturnType<typeof makeMessage>[] {
  return [makeMessage('heartbeat_response', { to: node })];
}

test('what is persisted waits for its write, and messages leave behind it', () => {
  const r = new Recorder();
  const a = r.replica('a');
  const b = r.replica('b');
  r.durability.add(a, 1, true, to(2));
  r.durability.add(b, 1, true, to(3));
  r.durability.add(a, 2, true, to(4));
  r.durability.onWriteStarted();
  expect(r.take()).toEqual([]);
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 2', 'b persisted 1', 'send a 2', 'send b 3', 'send a 4']);
});

test('E102 what comes while a write is in flight waits for the next one', () => {
  const r = new Recorder();
  const a = r.replica('a');
  r.durability.add(a, 1, true, to(2));
  r.durability.onWriteStarted();
  r.durability.add(a, 2, true, to(3));
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 1', 'send a 2']);
  r.durability.onWriteStarted();
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 2', 'send a 3']);
});

test('E102 a Ready without anything to persist waits for nothing when its replica has nothing under way', () => {
  const r = new Recorder();
  const a = r.replica('a');
  const b = r.replica('b');
  r.durability.add(b, 1, true, to(2));
  r.durability.add(a, 1, false, to(3));
  expect(r.take()).toEqual(['a persisted 1', 'send a 3']);
  r.durability.onWriteStarted();
  r.durability.add(a, 2, false, to(3));
  expect(r.take()).toEqual(['a persisted 2', 'send a 3']);
});

test('E102 a Ready without anything to persist waits for its own replica’s earlier ones', () => {
  const r = new Recorder();
  const a = r.replica('a');
  r.durability.add(a, 1, true, to(2));
  r.durability.add(a, 2, false, to(3));
  expect(r.take()).toEqual([]);
  r.durability.onWriteStarted();
  r.durability.add(a, 3, false, to(4));
  expect(r.take()).toEqual([]);
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 3', 'send a 2', 'send a 3', 'send a 4']);
});

test('E102 it waits for the newest write that holds one of its replica’s, not for an older one in flight', () => {
  const r = new Recorder();
  const a = r.replica('a');
  r.durability.add(a, 1, true, []);
  r.durability.onWriteStarted();
  r.durability.add(a, 2, true, []);
  r.durability.add(a, 3, false, to(5));
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 1']);
  r.durability.onWriteStarted();
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 3', 'send a 5']);
});

test('E102 two writes in flight are an error of ours', () => {
  const r = new Recorder();
  r.durability.onWriteStarted();
  expect(() => r.durability.onWriteStarted()).toThrow('one write at a time');
  r.durability.onWriteDone();
  expect(() => r.durability.onWriteDone()).toThrow('a write was in flight');
});

test('callbacks run after the write that collected them, once', () => {
  const r = new Recorder();
  const a = r.replica('a');
  r.durability.add(a, 1, true, to(2));
  r.durability.whenDurable(() => r.lines.push('first'));
  r.durability.onWriteStarted();
  r.durability.whenDurable(() => r.lines.push('second'));
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['a persisted 1', 'send a 2', 'first']);
  r.durability.onWriteStarted();
  r.durability.onWriteDone();
  expect(r.take()).toEqual(['second']);
});

test('callbacks wait for nothing when nothing is to be written', () => {
  const r = new Recorder();
  r.durability.whenDurable(() => r.lines.push('run'));
  r.durability.onNothingToWrite();
  r.durability.onNothingToWrite();
  expect(r.take()).toEqual(['run']);
});
