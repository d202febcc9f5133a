/**
 * The rules of "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout, extended version), one
 * test each, by section. Method: one replica, number 1 of three, is brought into a state and told one thing.
 */
import { describe, expect, test } from 'vitest';
import { createRaft } from '../../src/raft/index.js';
import type { Message } from '../../src/raft/index.js';
import {
  acknowledge,
  makeCandidate,
  makeEntries,
  makeEntry,
  makeFollower,
  makeInitial,
  makeLeader,
  makeMessage,
  makeOptions,
  sent,
  settle,
} from '../support/raft-builders.js';
import { RaftCluster } from '../support/raft-cluster.js';
import { makeConfiguration } from '../support/raft-builders.js';
import { encodeUtf8 } from '../../src/base/index.js';

const IDS = [1, 2, 3];

function ofType<T extends Message['type']>(
  messages: readonly Message[],
  type: T,
): Extract<Message, { type: T }>[] {
  return messages.filter((message): message is Extract<Message, { type: T }> => message.type === type);
}

describe('5.1 terms', () => {
  for (const [name, make] of [
    ['follower', makeFollower],
    ['candidate', makeCandidate],
    ['leader', makeLeader],
  ] as const) {
    test(`a ${name} that sees a larger term takes it over and follows`, () => {
      const raft = make();
      raft.step(makeMessage('append', { term: 7 }));
      expect([raft.role, raft.term, raft.leader]).toEqual(['follower', 7, 2]);
    });
  }

  test('a request with a stale term is rejected, and its sender is told the current one', () => {
    const raft = makeFollower(IDS, makeEntries([4]));
    raft.step(makeMessage('append', { term: 3, entries: [makeEntry(1, 3)] }));
    const [answer] = ofType(sent(raft), 'append_response');
    expect(answer).toMatchObject({ term: 4, reject: true });
    expect(raft.termAt(1)).toBe(4);
  });
});

describe('5.2 leader election', () => {
  test('replicas start as followers', () => {
    expect(makeFollower().role).toBe('follower');
  });

  test('a leader sends heartbeats to all followers', () => {
    const raft = makeLeader();
    raft.tick(true);
    raft.tick(true);
    expect(ofType(sent(raft), 'heartbeat').map((message) => message.to)).toEqual([2, 3]);
  });

  test('a follower that hears nothing for an election time-out campaigns: new term, vote for itself, requests to all', () => {
    const raft = makeFollower();
    for (let i = 0; i < 9; i++) raft.tick(true);
    expect(raft.hasReady()).toBe(false);
    raft.tick(true);
    expect([raft.role, raft.term, raft.status().vote]).toEqual(['candidate', 1, 1]);
    expect(ofType(sent(raft), 'vote').map((message) => [message.to, message.term])).toEqual([
      [2, 1],
      [3, 1],
    ]);
  });

  test('a candidate wins with a majority of the full cluster', () => {
    for (const [size, grants, role] of [
      [3, 1, 'leader'],
      [5, 1, 'candidate'],
      [5, 2, 'leader'],
      [4, 1, 'candidate'],
      [4, 2, 'leader'],
    ] as const) {
      const raft = makeCandidate(Array.from({ length: size }, (_, i) => i + 1));
      for (let i = 0; i < grants; i++) raft.step(makeMessage('vote_response', { from: i + 2 }));
      expect(raft.role).toBe(role);
    }
  });

  test('a replica votes for at most one candidate in a term, first come, first served', () => {
    const raft = makeFollower();
    raft.step(makeMessage('vote', { from: 2 }));
    raft.step(makeMessage('vote', { from: 3 }));
    raft.step(makeMessage('vote', { from: 2 }));
    const answers = ofType(sent(raft), 'vote_response');
    const grantedTo = answers.filter((message) => message.granted).map((message) => message.to);
    expect([...new Set(grantedTo)]).toEqual([2]);
    expect(answers.find((message) => message.to === 3)?.granted).toBe(false);
  });

  test('a candidate that hears a leader of its term recognises it', () => {
    const raft = makeCandidate();
    raft.step(makeMessage('append', { term: 1 }));
    expect([raft.role, raft.term, raft.leader]).toEqual(['follower', 1, 2]);
  });

  test('a candidate whose election is split starts another one after its time-out', () => {
    const raft = makeCandidate();
    for (let i = 0; i < 10; i++) raft.tick(true);
    expect([raft.role, raft.term]).toEqual(['candidate', 2]);
  });

  test('time-outs are drawn from [election time-out, twice that)', () => {
    const seen = new Set<number>();
    for (let draw = 0; draw < 10; draw++) {
      const raft = makeFollower(IDS, [], { random: () => draw });
      let ticks = 0;
      for (; raft.role === 'follower'; ticks++) raft.tick(true);
      seen.add(ticks);
    }
    expect([...seen]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });
});

describe('5.3 log replication', () => {
  test('a leader appends a proposal and sends it in parallel, with what precedes it', () => {
    const raft = makeLeader();
    for (const id of [2, 3]) acknowledge(raft, id);
    settle(raft);
    raft.propose(encodeUtf8('x'));
    const appends = ofType(raft.ready().messages, 'append');
    expect(appends.map((message) => message.to)).toEqual([2, 3]);
    expect(appends[0]).toMatchObject({ prevIndex: 1, prevTerm: 1, entries: [{ index: 2, term: 1 }] });
  });

  test('an entry on a majority commits, with all before it, and is applied', () => {
    const raft = makeLeader(IDS, makeEntries([1]));
    raft.propose(encodeUtf8('x'));
    settle(raft);
    expect(raft.commit).toBe(0);
    acknowledge(raft, 2, 3);
    expect(raft.commit).toBe(3);
  });

  test('followers learn of a commit with the next message, and apply in log order', () => {
    const raft = makeFollower();
    const entries = makeEntries([1, 1]);
    raft.step(makeMessage('append', { entries, commit: 0 }));
    settle(raft);
    raft.step(makeMessage('append', { prevIndex: 2, prevTerm: 1, commit: 2 }));
    const applied = settle(raft).flatMap((ready) => ready.committed);
    expect(applied.map((entry) => entry.index)).toEqual([1, 2]);
  });

  test('a follower refuses entries that do not follow its log', () => {
    const raft = makeFollower(IDS, makeEntries([1, 1]));
    for (const [prevIndex, prevTerm] of [
      [3, 1],
      [2, 2],
    ] as const) {
      raft.step(
        makeMessage('append', { term: 2, prevIndex, prevTerm, entries: [makeEntry(prevIndex + 1, 2)] }),
      );
      expect(ofType(sent(raft), 'append_response')[0]).toMatchObject({ reject: true, index: prevIndex });
    }
    expect(raft.lastIndex).toBe(2);
  });

  test('a conflicting entry goes, with all that follow it, and the leader’s take their place', () => {
    const raft = makeFollower(IDS, makeEntries([1, 1, 2, 2]));
    raft.step(makeMessage('append', { term: 3, prevIndex: 2, prevTerm: 1, entries: [makeEntry(3, 3)] }));
    expect([raft.lastIndex, raft.termAt(3)]).toEqual([3, 3]);
  });

  test('E28 entries that are there already cut nothing', () => {
    const raft = makeFollower(IDS, makeEntries([1, 1, 1, 1]));
    raft.step(makeMessage('append', { term: 1, prevIndex: 1, prevTerm: 1, entries: makeEntries([1], 2) }));
    expect(raft.lastIndex).toBe(4);
  });

  test('the commit index taken from a leader ends at its last new entry', () => {
    for (const [leaderCommit, expected] of [
      [1, 1],
      [2, 2],
      [9, 2],
    ] as const) {
      const raft = makeFollower(IDS, makeEntries([1, 1, 1]));
      raft.step(
        makeMessage('append', {
          prevIndex: 1,
          prevTerm: 1,
          commit: leaderCommit,
          entries: makeEntries([1], 2),
        }),
      );
      expect(raft.commit).toBe(expected);
    }
  });

  test('a refused append is tried again further back until the logs agree', () => {
    const raft = makeLeader(IDS, makeEntries([1, 2, 2, 2]));
    raft.step(makeMessage('append_response', { term: 3, index: 4, reject: true, hintIndex: 3, hintTerm: 1 }));
    const [append] = ofType(sent(raft), 'append');
    expect(append).toMatchObject({ to: 2, prevIndex: 1, prevTerm: 1 });
  });
});

describe('5.4 safety', () => {
  test('5.4.1 a vote goes only to a log at least as up to date', () => {
    const cases: [number[], number, number, boolean][] = [
      // own terms, the candidate's last term and index, granted
      [[1], 1, 1, true],
      [[1], 1, 2, true],
      [[1, 1], 1, 1, false],
      [[1], 2, 1, true],
      [[1, 1], 2, 1, true],
      [[2], 1, 9, false],
      [[], 0, 0, true],
    ];
    for (const [terms, lastTerm, lastIndex, granted] of cases) {
      const raft = makeFollower(IDS, makeEntries(terms));
      raft.step(makeMessage('vote', { term: 5, lastTerm, lastIndex }));
      expect(ofType(sent(raft), 'vote_response')[0]?.granted).toBe(granted);
    }
  });

  test('E11 5.4.2 only entries of the leader’s own term commit by counting', () => {
    const raft = makeLeader(IDS, makeEntries([1, 2]));
    acknowledge(raft, 2, 1);
    expect(raft.commit).toBe(0);
    acknowledge(raft, 2, 2);
    expect(raft.commit).toBe(0);
    acknowledge(raft, 2, 3);
    expect(raft.commit).toBe(3);
  });

  test('E29 an append that conflicts with a committed entry stops the replica', () => {
    const raft = makeFollower(IDS, makeEntries([1, 1]), {}, { hardState: { term: 1, vote: 0, commit: 2 } });
    const append = { term: 2, prevIndex: 0, prevTerm: 0, entries: makeEntries([2, 2]) };
    expect(() => raft.step(makeMessage('append', append))).toThrow('conflicts at 1 with commit 2');
    expect(raft.termAt(1)).toBe(1);
  });
});

describe('5.5 and 5.6 crashes and timing', () => {
  test('requests may be repeated: the second one changes nothing', () => {
    const raft = makeFollower();
    const append = makeMessage('append', { entries: makeEntries([1, 1]), commit: 1 });
    raft.step(append);
    settle(raft);
    const before = raft.status();
    raft.step(append);
    settle(raft);
    expect(raft.status()).toEqual(before);
  });

  test('a vote given or an append accepted resets the election timer', () => {
    for (const message of [makeMessage('vote'), makeMessage('append')]) {
      const raft = makeFollower();
      for (let i = 0; i < 9; i++) raft.tick(true);
      raft.step(message);
      for (let i = 0; i < 9; i++) raft.tick(true);
      expect(raft.role).toBe('follower');
    }
  });
});

test('7 a snapshot brings a follower that is behind to its index, and replaces a log that conflicts', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1, 2]));
  const snapshot = { index: 3, term: 3, configuration: makeConfiguration(IDS) };
  raft.step(makeMessage('snapshot', { term: 3, snapshot }));
  const ready = raft.ready();
  expect(ready.snapshot).toEqual(snapshot);
  expect([raft.lastIndex, raft.termAt(3), raft.commit]).toEqual([3, 3, 3]);
});

describe('8 clients', () => {
  test('a new leader opens its term with an empty entry', () => {
    const raft = makeLeader(IDS, makeEntries([1, 1]));
    expect([raft.lastIndex, raft.termAt(3)]).toEqual([3, 2]);
  });

  test('a leader confirms that it still leads before it answers a read', () => {
    const raft = makeLeader();
    acknowledge(raft, 2);
    settle(raft);
    raft.readIndex(1);
    expect(settle(raft).flatMap((ready) => ready.reads)).toEqual([]);
    raft.step(makeMessage('read_round_response', { round: 1 }));
    expect(settle(raft).flatMap((ready) => ready.reads)).toEqual([
      { kind: 'confirmed', context: 1, index: 1 },
    ]);
  });
});

test('the whole: a cluster elects, replicates and survives the loss of its leader', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS));
  cluster.run(15);
  const old = cluster.leader();
  old?.propose(encodeUtf8('kept'));
  cluster.settle();
  cluster.at(old?.id ?? 0).crash();
  cluster.run(40);
  const next = cluster.leader();
  expect(next?.id).not.toBe(old?.id);
  expect(next?.term).toBeGreaterThan(old?.term ?? 0);
  expect(cluster.at(next?.id ?? 0).applied.some((entry) => entry.data.length > 0)).toBe(true);
});

test('a log that could not have come about is refused at start', () => {
  const initial = makeInitial(IDS, makeEntries([1, 2]), { hardState: { term: 1, vote: 0, commit: 0 } });
  expect(() => createRaft(makeOptions(1), initial)).toThrow('under hard state 1');
  const ahead = makeInitial(IDS, makeEntries([1]), { hardState: { term: 1, vote: 0, commit: 2 } });
  expect(() => createRaft(makeOptions(1), ahead)).toThrow('beyond the log');
});
