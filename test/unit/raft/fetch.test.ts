/** Goal: entries that left the memory come back exactly once, or not at all. */
import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import type { FetchRequest, Raft } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeEntries,
  makeFollower,
  makeLeader,
  makeMessage,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];

/** A leader whose log up to 8 is on disk alone, with a fetch for replica 2 open. */
function makeFetching(): { raft: Raft; fetch: FetchRequest; log: ReturnType<typeof makeEntries> } {
  const log = makeEntries([1, 1, 1, 1, 1, 1, 1, 1]);
  const raft = makeLeader(IDS, log, { tailBytesMax: 0 });
  raft.step(makeMessage('append_response', { term: 2, index: 8, reject: true, hintIndex: 3, hintTerm: 1 }));
  settle(raft);
  acknowledge(raft, 2, 3);
  const fetches = settle(raft).flatMap((ready) => ready.fetches);
  expect(fetches).toMatchObject([{ lo: 4, hi: 9, purpose: 2 }]);
  return { raft, fetch: fetches[0] as FetchRequest, log };
}

test('fetched entries are sent, and the next ones follow', () => {
  const { raft, fetch, log } = makeFetching();
  raft.onFetched(fetch.id, log.slice(3, 6));
  const readys = settle(raft);
  expect(readys.flatMap((ready) => ready.messages)).toMatchObject([
    { to: 2, prevIndex: 3, entries: log.slice(3, 6) },
  ]);
  expect(readys.flatMap((ready) => ready.fetches)).toMatchObject([{ lo: 7, hi: 9, purpose: 2 }]);
});

test('one fetch per follower is open at a time; it is repeated when it stays unanswered, and answered once', () => {
  const { raft, fetch, log } = makeFetching();
  raft.step(makeMessage('heartbeat_response', { term: 2 }));
  expect(settle(raft).flatMap((ready) => ready.fetches)).toEqual([]);
  for (let i = 0; i < 10; i++) raft.tick(true);
  raft.step(makeMessage('heartbeat_response', { term: 2 }));
  expect(settle(raft).flatMap((ready) => ready.fetches)).toEqual([fetch]);
  raft.onFetched(fetch.id, log.slice(3));
  settle(raft);
  const before = raft.status();
  raft.onFetched(fetch.id, log.slice(3));
  expect([raft.hasReady(), raft.status()]).toEqual([false, before]);
});

test('an answer that comes after the follower or the term moved on is dropped', () => {
  const probed = makeFetching();
  probed.raft.onUnreachable(2);
  settle(probed.raft);
  probed.raft.onFetched(probed.fetch.id, probed.log.slice(3));
  expect(probed.raft.hasReady()).toBe(false);

  const deposed = makeFetching();
  deposed.raft.step(makeMessage('heartbeat', { term: 3 }));
  settle(deposed.raft);
  deposed.raft.onFetched(deposed.fetch.id, deposed.log.slice(3));
  deposed.raft.onFetched(deposed.fetch.id, null);
  expect(deposed.raft.hasReady()).toBe(false);
});

test('E55 entries compacted meanwhile: the follower needs a snapshot, said once', () => {
  const { raft, fetch } = makeFetching();
  raft.onFetched(fetch.id, null);
  expect(settle(raft).flatMap((ready) => ready.snapshotsWanted)).toEqual([2]);
  raft.propose(encodeUtf8('x'));
  raft.step(makeMessage('heartbeat_response', { term: 2 }));
  expect(settle(raft).flatMap((ready) => ready.snapshotsWanted)).toEqual([]);
});

test('an answer that is not what the log holds stops the replica', () => {
  const { raft, fetch } = makeFetching();
  expect(() => raft.onFetched(fetch.id, makeEntries([2], 4))).toThrow('the log has 1');
});

test('E5 E33 after a restart the committed entries come page by page, none skipped, none twice', () => {
  for (const committedBytesMax of [1, 26, 52, 53, 1000]) {
    const log = makeEntries(Array.from({ length: 20 }, () => 1));
    const raft = makeFollower(
      IDS,
      log,
      { committedBytesMax },
      { hardState: { term: 1, vote: 0, commit: 18 }, appliedIndex: 5 },
    );
    const applied: number[] = [];
    while (raft.hasReady()) {
      const ready = raft.ready();
      for (const { id, lo, hi } of ready.fetches)
        raft.onFetched(id, log.slice(lo - 1, Math.min(hi - 1, lo + 2)));
      for (const entry of ready.committed) applied.push(entry.index);
      const last = ready.committed.at(-1);
      if (last) raft.onApplied(last.index);
    }
    expect(applied).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
  }
});

test('E32 the next page comes when the last one is applied', () => {
  const cluster = new RaftCluster(makeConfiguration([1]), () => ({ committedBytesMax: 30 }));
  const raft = cluster.raft(1);
  raft.tick(true);
  cluster.settle();
  for (const text of ['a', 'b', 'c']) raft.propose(encodeUtf8(text));
  const first = raft.ready();
  raft.onPersisted(first.number);
  const second = raft.ready();
  expect(second.committed.map((entry) => entry.index)).toEqual([2]);
  expect(raft.hasReady()).toBe(false);
  raft.onApplied(2);
  expect(raft.ready().committed.map((entry) => entry.index)).toEqual([3]);
});
