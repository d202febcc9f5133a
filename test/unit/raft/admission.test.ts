/** What no correct peer sends is dropped before it has an effect; strangers are not heard, and told when they were removed. */
import { expect, test } from 'vitest';
import type { Entry, Message, MessageType, Raft } from '../../../src/raft/index.js';
import {
  makeConfiguration,
  makeEntries,
  makeEntry,
  makeFollower,
  makeLeader,
  makeMessage,
  MESSAGE_TYPES,
  sent,
  settle,
} from '../../support/raft-builders.js';

const IDS = [1, 2, 3];
const NO_NUMBERS = [-1, 1.5, NaN, Infinity, 2 ** 53];

function expectNoEffect(raft: Raft, message: Message): void {
  const before = raft.status();
  expect([message, raft.step(message)]).toEqual([message, 'malformed']);
  expect(raft.status()).toEqual(before);
  expect(raft.hasReady()).toBe(false);
}

/** Numbers of a message that are not about who speaks to whom. */
function numbersOf(message: Message): string[] {
  return Object.entries(message).flatMap(([name, value]) =>
    typeof value === 'number' && name !== 'from' && name !== 'to' ? [name] : [],
  );
}

test.each(MESSAGE_TYPES)(
  'a %s with a number that is none is dropped, whoever gets it',
  (type: MessageType) => {
    for (const make of [() => makeFollower(IDS, makeEntries([1])), () => makeLeader(IDS, makeEntries([1]))]) {
      for (const name of numbersOf(makeMessage(type))) {
        // A rejection's hint is looked at only there.
        for (const number of NO_NUMBERS) {
          const raft = make();
          settle(raft);
          expectNoEffect(raft, { ...makeMessage(type, { term: raft.term }), [name]: number } as Message);
        }
      }
    }
  },
);

const BAD_ENTRIES: readonly (readonly [string, number, number, readonly Entry[]])[] = [
  ['a gap before the first', 1, 1, [makeEntry(3, 1)]],
  ['a gap inside', 1, 1, [makeEntry(2, 1), makeEntry(4, 1)]],
  ['an entry twice', 1, 1, [makeEntry(2, 1), makeEntry(2, 1)]],
  ['a term that falls', 1, 1, [makeEntry(2, 2), makeEntry(3, 1)]],
  ['a term before the one that it follows', 1, 2, [makeEntry(2, 1)]],
  ['a term of the future', 1, 1, [makeEntry(2, 9)]],
  ['a place behind a future term', 1, 9, []],
  ['an index past all numbers', 2 ** 53 - 1, 1, [makeEntry(2 ** 53, 1)]],
];

test.each(BAD_ENTRIES)('an append with %s is dropped', (_what, prevIndex, prevTerm, entries) => {
  const raft = makeFollower(IDS, makeEntries([1]));
  expectNoEffect(raft, makeMessage('append', { term: 2, prevIndex, prevTerm, entries }));
});

test('acknowledgements of what was never sent, hints past their question and snapshots of nothing are dropped', () => {
  const leader = makeLeader(IDS);
  expectNoEffect(leader, makeMessage('append_response', { term: leader.term, index: 99 }));
  expectNoEffect(
    leader,
    makeMessage('append_response', { term: leader.term, index: 1, reject: true, hintIndex: 2 }),
  );
  const follower = makeFollower(IDS);
  for (const snapshot of [
    { index: 0, term: 1, configuration: makeConfiguration(IDS) },
    { index: 5, term: 9, configuration: makeConfiguration(IDS) },
    { index: 5, term: 1, configuration: makeConfiguration([]) },
  ]) {
    expectNoEffect(follower, makeMessage('snapshot', { term: 2, snapshot }));
  }
  expectNoEffect(follower, makeMessage('vote', { term: 2, lastTerm: 3 }));
});

test('a second leader of a term is not believed', () => {
  const raft = makeFollower(IDS);
  raft.step(makeMessage('heartbeat', { from: 2 }));
  settle(raft);
  expectNoEffect(raft, makeMessage('heartbeat', { from: 3 }));
  const leader = makeLeader(IDS);
  expectNoEffect(leader, makeMessage('append', { from: 3, term: leader.term }));
});

test('E40 a stranger that was a member once is told; one that never was, or one that knows as much, is not', () => {
  const configuration = makeConfiguration([1, 3, 4], { version: 5, highestId: 6 });
  const make = (): Raft => makeFollower(IDS, [], {}, { configuration });
  const stranger = (from: number, configurationVersion: number): Message =>
    makeMessage('vote', { from, term: 9, configurationVersion });

  const told = make();
  expect(told.step(stranger(2, 4))).toBe('stranger');
  expect(sent(told)).toMatchObject([{ type: 'removed', to: 2, configurationVersion: 5 }]);
  expect(told.term).toBe(0);

  for (const [from, version] of [
    [2, 5],
    [7, 4],
  ] as const) {
    const silent = make();
    expect(silent.step(stranger(from, version))).toBe('stranger');
    expect(silent.hasReady()).toBe(false);
  }

  // Whoever knows a newer configuration may be a member of it.
  const behind = make();
  expect(behind.step(stranger(7, 6))).toBe('taken');
  expect(behind.term).toBe(9);
});

test('E24 a message for an earlier replica at this address is not heard', () => {
  const raft = makeFollower(IDS);
  expect(raft.step(makeMessage('append', { to: 9, term: 5 }))).toBe('stranger');
  expect([raft.term, raft.hasReady()]).toEqual([0, false]);
});

test('a replica that is told of its removal hands that out, unless it knows better', () => {
  const configuration = makeConfiguration(IDS, { version: 5 });
  const raft = makeFollower(IDS, [], {}, { configuration });
  raft.step(makeMessage('removed', { term: 0, configurationVersion: 5 }));
  expect(raft.hasReady()).toBe(false);
  raft.step(makeMessage('removed', { term: 0, configurationVersion: 7 }));
  expect(raft.ready().removedFromVersion).toBe(7);
});
