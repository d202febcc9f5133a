/** Goal: the numbered Ready, with persistence that comes late and in order. */
import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import {
  acknowledge,
  makeEntries,
  makeEntry,
  makeFollower,
  makeLeader,
  makeMessage,
  settle,
} from '../../support/raft-builders.js';

const IDS = [1, 2, 3];

test('several Readys wait for the disk at once; a confirmed one confirms those before it', () => {
  const raft = makeLeader([1]);
  const numbers = ['a', 'b', 'c'].map((text) => {
    raft.propose(encodeUtf8(text));
    return raft.ready().number;
  });
  expect(raft.commit).toBe(1);
  raft.onPersisted(numbers[1] ?? 0);
  expect(raft.commit).toBe(3);
  raft.onPersisted(numbers[2] ?? 0);
  expect(raft.commit).toBe(4);
});

test('a number that was never handed out, and an index that was never given to apply, are a bug of the host', () => {
  const raft = makeLeader([1]);
  expect(() => raft.onPersisted(99)).toThrow('never handed out');
  expect(() => raft.onApplied(99)).toThrow('never handed out');
  expect(() => raft.onCompacted(99)).toThrow('applied is');
});

test('what a Ready handed out is not handed out again', () => {
  const raft = makeLeader(IDS);
  raft.propose(encodeUtf8('a'));
  const ready = raft.ready();
  expect([ready.entries.length, ready.messagesAfterPersist.length]).toEqual([1, 0]);
  expect(raft.hasReady()).toBe(false);
  expect(() => raft.ready()).toThrow('without anything to do');
});

test('a commit index that moved alone asks for no write; a term or a vote does', () => {
  const raft = makeFollower(IDS, makeEntries([1]));
  raft.step(makeMessage('heartbeat', { commit: 1 }));
  const [first] = settle(raft);
  expect(first).toMatchObject({ mustPersist: false, hardState: { commit: 1 } });
  raft.step(makeMessage('vote', { term: 2, lastIndex: 5, lastTerm: 1 }));
  expect(raft.ready()).toMatchObject({ mustPersist: true, hardState: { term: 2, vote: 2, commit: 1 } });
});

test('promises wait for the disk: votes and acknowledgements; questions, refusals and signs of life do not', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1]));
  raft.step(makeMessage('append', { prevIndex: 9, prevTerm: 1 }));
  raft.step(makeMessage('heartbeat'));
  raft.step(makeMessage('read_round'));
  raft.step(makeMessage('vote', { from: 3, term: 1 }));
  raft.step(makeMessage('append', { prevIndex: 2, prevTerm: 1, entries: makeEntries([1], 3) }));
  raft.step(makeMessage('vote', { from: 3, term: 2, lastIndex: 9, lastTerm: 2 }));
  const ready = raft.ready();
  expect(ready.messages.map((message) => message.type)).toEqual([
    'append_response',
    'heartbeat_response',
    'read_round_response',
    'vote_response',
  ]);
  expect(ready.messagesAfterPersist.map((message) => message.type)).toEqual([
    'append_response',
    'vote_response',
  ]);
});

test('E25 entries that were overwritten before they were durable do not count when they are', () => {
  const raft = makeFollower();
  raft.step(makeMessage('append', { term: 1, entries: makeEntries([1, 1]) }));
  const first = raft.ready();
  raft.step(
    makeMessage('append', { from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: [makeEntry(2, 2)] }),
  );
  const second = raft.ready();
  expect(second.entries).toMatchObject([{ index: 2, term: 2 }]);
  raft.onPersisted(first.number);
  expect(raft.status().persisted).toBe(1);
  raft.onPersisted(second.number);
  expect(raft.status().persisted).toBe(2);
});

test('E18 a leader’s own entries of an earlier term, durable late, do not count for the next leader’s', () => {
  const raft = makeLeader();
  raft.propose(encodeUtf8('lost'));
  const late = raft.ready();
  raft.step(makeMessage('append', { term: 2, prevIndex: 1, prevTerm: 1, entries: [makeEntry(2, 2)] }));
  raft.onPersisted(late.number);
  expect(raft.status().persisted).toBe(1);
});

test('role, term and leader are told once when they change', () => {
  const raft = makeFollower();
  raft.step(makeMessage('heartbeat'));
  expect(raft.ready().roleChange).toEqual({ role: 'follower', term: 1, leader: 2 });
  raft.step(makeMessage('heartbeat'));
  expect(raft.ready().roleChange).toBe(null);
});

test('compaction keeps what replication needs to know', () => {
  const raft = makeLeader(IDS);
  for (const text of ['a', 'b', 'c']) raft.propose(encodeUtf8(text));
  settle(raft);
  acknowledge(raft, 2);
  settle(raft);
  raft.onCompacted(3);
  expect([raft.termAt(2), raft.termAt(3), raft.termAt(4)]).toEqual([0, 1, 1]);
  expect(raft.status().firstIndex).toBe(4);
  raft.onCompacted(2);
  expect(raft.status().firstIndex).toBe(4);
});
