import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import type { Raft, SnapshotMeta } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeEntries,
  makeFollower,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];

function makeSnapshot(index: number, term: number, voters = IDS): SnapshotMeta {
  return { index, term, configuration: makeConfiguration(voters, { version: 2 }) };
}

/** A leader whose log begins behind 5, with replica 2 waiting for a snapshot. */
function makeStreaming(): Raft {
  const raft = makeLeader(IDS, makeEntries([1, 1, 1, 1, 1]));
  acknowledge(raft, 3);
  const log = makeEntries([1, 1, 1, 1, 1]);
  for (const ready of settle(raft)) {
    for (const { id, lo, hi } of ready.fetches) raft.onFetched(id, log.slice(lo - 1, hi - 1));
  }
  settle(raft);
  raft.onCompacted(5);
  raft.step(makeMessage('append_response', { term: 2, index: 5, reject: true, hintIndex: 0, hintTerm: 0 }));
  expect(settle(raft).flatMap((ready) => ready.snapshotsWanted)).toEqual([2]);
  return raft;
}

function stateOf(raft: Raft): unknown {
  const { state, match, next } = raft.status().followers[0] ?? {};
  return [state, match, next];
}

test('a snapshot that arrived whole is followed by the log, when it is acknowledged', () => {
  const raft = makeStreaming();
  raft.onSnapshotSent(2, 6, true);
  expect(stateOf(raft)).toEqual(['probe', 0, 7]);
  raft.propose(encodeUtf8('x'));
  expect(sent(raft).filter((message) => message.to === 2)).toEqual([]);
  acknowledge(raft, 2, 6);
  expect(stateOf(raft)).toEqual(['replicate', 6, 7]);
  expect(sent(raft)).toMatchObject([{ to: 2, prevIndex: 6, entries: [{ index: 7 }] }]);
});

test('an acknowledgement may come before the stream’s end is known', () => {
  const raft = makeStreaming();
  acknowledge(raft, 2, 6);
  settle(raft);
  raft.onSnapshotSent(2, 6, true);
  expect(stateOf(raft)).toEqual(['replicate', 6, 7]);
});

test('while the receiver installs, a refused probe does not ask for another snapshot; in the end it does', () => {
  const raft = makeStreaming();
  raft.onSnapshotSent(2, 6, true);
  const refuse = (): number[] => {
    raft.step(makeMessage('heartbeat_response', { term: 2 }));
    expect(sent(raft)).toMatchObject([{ type: 'append', to: 2, prevIndex: 6 }]);
    raft.step(makeMessage('append_response', { term: 2, index: 6, reject: true, hintIndex: 0, hintTerm: 0 }));
    return settle(raft).flatMap((ready) => ready.snapshotsWanted);
  };
  expect(refuse()).toEqual([]);
  for (let i = 0; i < 10; i++) raft.tick(true);
  settle(raft);
  expect(refuse()).toEqual([2]);
});

test('a failed stream is wanted again after a heartbeat', () => {
  const raft = makeStreaming();
  raft.onSnapshotSent(2, 6, false);
  expect(raft.hasReady()).toBe(false);
  raft.step(makeMessage('heartbeat_response', { term: 2 }));
  expect(settle(raft).flatMap((ready) => ready.snapshotsWanted)).toEqual([2]);
});

test('an installed snapshot replaces log and applied state, and is acknowledged when it is durable', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1]));
  raft.step(makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(9, 2) }));
  const ready = raft.ready();
  expect(ready).toMatchObject({
    mustPersist: true,
    messages: [],
    snapshot: { index: 9 },
    hardState: { commit: 9 },
  });
  expect(ready.messagesAfterPersist).toMatchObject([{ type: 'append_response', index: 9, reject: false }]);
  const { firstIndex, lastIndex, commit, applied, configuration } = raft.status();
  expect([firstIndex, lastIndex, commit, applied, configuration.version]).toEqual([10, 9, 9, 9, 2]);
  // What follows is applied after both are durable.
  raft.step(
    makeMessage('append', { term: 3, prevIndex: 9, prevTerm: 2, entries: makeEntries([3], 10), commit: 10 }),
  );
  const next = raft.ready();
  expect(next.committed).toEqual([]);
  raft.onPersisted(ready.number);
  expect(raft.hasReady()).toBe(false);
  raft.onPersisted(next.number);
  expect(raft.ready().committed).toMatchObject([{ index: 10 }]);
});

test('E52 two snapshots in quick succession, one that ends at the log’s end, and one behind the pending one', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1]));
  raft.step(makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(9, 2) }));
  raft.step(makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(12, 3) }));
  raft.step(makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(9, 2) }));
  const ready = raft.ready();
  expect(ready.snapshot?.index).toBe(12);
  expect(
    ready.messagesAfterPersist.map((message) => message.type === 'append_response' && message.index),
  ).toEqual([9, 12, 12]);
  const same = makeFollower(IDS, makeEntries([1, 1]));
  same.step(makeMessage('snapshot', { snapshot: makeSnapshot(2, 1) }));
  expect(same.ready().snapshot).toBe(null);
  expect(same.status()).toMatchObject({ lastIndex: 2, commit: 2, firstIndex: 1 });
});

test('E25 a write that was under way when a snapshot took the log’s place vouches for the committed part alone', () => {
  const raft = makeFollower();
  raft.step(makeMessage('append', { entries: makeEntries([1, 1, 1, 1, 1, 1, 1, 1, 1]), commit: 1 }));
  const before = raft.ready();
  raft.step(makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(5, 2) }));
  const install = raft.ready();
  raft.onPersisted(before.number);
  expect(raft.status()).toMatchObject({ lastIndex: 5, persisted: 1 });
  raft.onPersisted(install.number);
  expect(raft.status().persisted).toBe(5);
});

test('E53 an older snapshot is ignored; entries behind it that were acknowledged stay', () => {
  const raft = makeFollower(
    IDS,
    makeEntries([1, 1, 1, 1]),
    {},
    { hardState: { term: 1, vote: 0, commit: 1 } },
  );
  raft.step(makeMessage('snapshot', { snapshot: makeSnapshot(3, 1) }));
  expect(raft.status()).toMatchObject({ firstIndex: 1, lastIndex: 4, commit: 3 });
  const ready = raft.ready();
  expect(ready.snapshot).toBe(null);
  expect(ready.messagesAfterPersist).toMatchObject([{ index: 3 }]);
});

test('a snapshot that conflicts with what is committed stops the replica', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1]), {}, { hardState: { term: 1, vote: 0, commit: 2 } });
  const message = makeMessage('snapshot', { term: 3, snapshot: makeSnapshot(2, 3) });
  expect(() => raft.step(message)).toThrow('conflicts');
});

test('entries handed out to be applied before a snapshot are told as applied too late, and that is no harm', () => {
  const raft = makeFollower(IDS, [], {});
  raft.step(makeMessage('append', { entries: makeEntries([1, 1]), commit: 2 }));
  raft.onPersisted(raft.ready().number);
  expect(raft.ready().committed.length).toBe(2);
  raft.step(makeMessage('snapshot', { snapshot: makeSnapshot(9, 1) }));
  raft.onApplied(2);
  expect(raft.status().applied).toBe(9);
});

test('E55 a follower whose entries are compacted away catches up by snapshot and log, while writes go on', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS));
  cluster.raft(1).campaign();
  cluster.settle();
  cluster.isolate(3);
  for (let i = 0; i < 20; i++) {
    cluster.raft(1).propose(encodeUtf8(`v${i}`));
    cluster.settle();
  }
  cluster.compact(1, 15);
  cluster.heal();
  cluster.run(4);
  expect(cluster.at(1).snapshotsWanted).toEqual([3]);
  const message = cluster.snapshotMessage(1, 3);
  cluster.raft(1).propose(encodeUtf8('during'));
  cluster.settle();
  cluster.deliver(message);
  cluster.raft(1).onSnapshotSent(3, 21, true);
  cluster.settle();
  expect(cluster.at(3).applied.length).toBe(22);
});
