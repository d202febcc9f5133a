import { describe, expect, it } from 'vitest';
import { RecordKind, readRecordKey, type RecordKey } from '../../../src/codec/index.js';
import type { Histogram } from '../../../src/base/index.js';
import type { Entry } from '../../../src/raft/index.js';
import {
  CONFIGURATION,
  fetchAll,
  groupOf,
  makeEntries,
  makeEntry,
  makeNode,
  STORE,
  StorageWorld,
  textOf,
} from './harness.js';

function entryKeys(world: StorageWorld, group: number): number[] {
  const at: RecordKey = { group: 0, kind: 0, index: 0 };
  const found: number[] = [];
  for (const { key } of world.disk.storeRecords(STORE)) {
    if (readRecordKey(key, at) && at.group === group && at.kind === RecordKind.entry) found.push(at.index);
  }
  return found;
}

function kindsOf(world: StorageWorld, group: number): number[] {
  const at: RecordKey = { group: 0, kind: 0, index: 0 };
  const kinds = new Set<number>();
  for (const { key } of world.disk.storeRecords(STORE)) {
    if (readRecordKey(key, at) && at.group === group) kinds.add(at.kind);
  }
  return [...kinds];
}

/** Longer than the watermark goes without an fsync. */
const WATERMARK_SYNC_MS = 600;
const checkpoint = (index: number) => ({ index, term: 1, file: `${index}-1.ckpt` });

describe('log store', () => {
  it('E41 E84 of a removed replica a tombstone stays, which refuses its id, and nothing else', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 400);
    const replica = 11;
    log.saveCheckpoint(1, checkpoint(2));
    world.flush(log);
    log.removeGroup(1);
    expect(log.tombstoneOf(1)).toBe(replica);
    expect(() => log.createGroup(1, replica, CONFIGURATION)).toThrow('never comes back');
    // The entries go in slices, with batches that are written anyway.
    for (let i = 0; i < 20 && entryKeys(world, 1).length > 0; i++) {
      log.putNodeValue('time', Uint8Array.of(i));
      world.flush(log);
    }
    expect(kindsOf(world, 1)).toEqual([RecordKind.tombstone]);
    expect(entryKeys(world, 2)).toHaveLength(400);
    const again = world.reopen();
    expect(again.recovered.groups.map(({ group }) => group)).toEqual([2]);
    expect([...again.recovered.tombstones]).toEqual([[1, replica]]);
    again.createGroup(1, replica + 1, CONFIGURATION);
    world.flush(again);
    expect(groupOf(world.reopen(), 1)).toMatchObject({ replica: replica + 1, lastIndex: 0, suspect: null });
  });

  it('E84 a crash before the last slice leaves a removed replica removed, and its entries go at the next opening', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 3000);
    log.removeGroup(1);
    world.flush(log);
    expect(entryKeys(world, 1).length).toBeGreaterThan(0);
    const again = world.reopen();
    expect(again.recovered.groups.map(({ group }) => group)).toEqual([2]);
    expect(kindsOf(world, 1)).toEqual([RecordKind.tombstone]);
  });

  it('recovers everything that was flushed', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 5);
    log.append(1, [makeEntry(6, 3)]);
    log.saveHardState(1, { term: 3, vote: 2, commit: 4 });
    log.saveConfiguration(1, 4, { ...CONFIGURATION, version: 2, voters: [1, 2], outgoing: [1, 2, 3] });
    log.saveCheckpoint(1, checkpoint(2));
    log.putNodeValue('identity', Uint8Array.of(1, 2, 3));
    world.flush(log);

    const again = world.reopen();
    expect(again.recovered.groups).toHaveLength(2);
    expect(groupOf(again, 1)).toEqual({
      group: 1,
      replica: 11,
      hardState: { term: 3, vote: 2, commit: 4 },
      configuration: { ...CONFIGURATION, version: 2, voters: [1, 2], outgoing: [1, 2, 3] },
      configurationIndex: 4,
      truncatedIndex: 0,
      truncatedTerm: 0,
      lastIndex: 6,
      termRuns: [
        { index: 1, term: 1 },
        { index: 6, term: 3 },
      ],
      checkpoints: [checkpoint(2)],
      suspect: null,
      logBytes: log.logBytes(1),
    });
    expect([...(again.recovered.values.get('identity') ?? [])]).toEqual([1, 2, 3]);
    expect(fetchAll(world, again, 1, 1, 7).map(textOf)).toEqual(makeEntries(1, 6).map(textOf));
  });

  it('replaces a longer suffix in the same batch', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 9);
    log.append(1, makeEntries(4, 5, 2));
    log.saveHardState(1, { term: 2, vote: 0, commit: 0 });
    world.flush(log);
    expect(entryKeys(world, 1)).toEqual([1, 2, 3, 4, 5]);
    const again = world.reopen();
    expect(groupOf(again, 1).lastIndex).toBe(5);
    expect(groupOf(again, 1).logBytes).toBe(log.logBytes(1));
  });

  it('hides a truncated prefix at once and deletes it in slices, also after a restart', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 600);
    log.saveCheckpoint(1, checkpoint(500));
    log.truncatePrefix(1, 500, 1);
    world.flush(log);
    expect(entryKeys(world, 1)).toHaveLength(600 - 128);
    expect(world.outcome((done) => log.fetch(1, 500, 502, 100, done)).value).toBeNull();
    expect(fetchAll(world, log, 1, 501, 601)).toHaveLength(100);

    const again = world.reopen();
    expect(groupOf(again, 1)).toMatchObject({ truncatedIndex: 500, lastIndex: 600, suspect: null });
    for (let i = 0; i < 4; i++) {
      again.putNodeValue('tick', Uint8Array.of(i));
      world.flush(again);
    }
    expect(entryKeys(world, 1)).toEqual(makeEntries(501, 600).map((entry) => entry.index));
  });

  it('a snapshot far ahead of the log leaves nothing to delete between them', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 3);
    const index = 2 ** 40;
    log.installSnapshot(
      1,
      { index, term: 7, configuration: CONFIGURATION },
      { ...checkpoint(index), term: 7 },
    );
    log.saveHardState(1, { term: 7, vote: 0, commit: index });
    world.flush(log);
    expect(entryKeys(world, 1)).toEqual([]);
    log.append(1, [makeEntry(index + 1, 7)]);
    world.flush(log);
    expect(groupOf(world.reopen(), 1)).toMatchObject({
      truncatedIndex: index,
      truncatedTerm: 7,
      lastIndex: index + 1,
      suspect: null,
    });
  });

  it('E110 a snapshot that replaces a suffix leaves no dead entry, wherever the crash falls', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new StorageWorld(seed);
      const log = makeNode(world, 1, 400);
      const snapshot = { index: 200, term: 1, configuration: CONFIGURATION };
      log.installSnapshot(1, snapshot, checkpoint(200));
      log.saveHardState(1, { term: 1, vote: 0, commit: 200 });
      log.flush(() => undefined);
      world.loop.runUntil(world.loop.now() + seed * 0.05);
      const again = world.reopen();
      const found = groupOf(again, 1);
      expect(found.suspect).toBeNull();
      if (found.truncatedIndex === 0) {
        expect(found.lastIndex).toBe(400);
        continue;
      }
      expect(found).toMatchObject({ truncatedIndex: 200, lastIndex: 200, checkpoints: [checkpoint(200)] });
      again.append(1, makeEntries(201, 203, 2));
      again.saveHardState(1, { term: 2, vote: 0, commit: 200 });
      world.flush(again);
      expect(groupOf(world.reopen(), 1).lastIndex).toBe(203);
      expect(entryKeys(world, 1).filter((index) => index > 200)).toEqual([201, 202, 203]);
    }
  });

  it('E102 a second write never overtakes the first: flush asserts that none is in flight', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    log.append(1, [makeEntry(2)]);
    log.flush(() => undefined);
    log.append(1, [makeEntry(3)]);
    expect(log.writing).toBe(true);
    expect(() => log.flush(() => undefined)).toThrow(/in flight/);
    world.settle();
    expect(log.writing).toBe(false);
    expect(log.dirty).toBe(true);
    world.flush(log);
    expect(groupOf(world.reopen(), 1).lastIndex).toBe(3);
  });

  it('collects the next batch while one is written, and counts both', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    const family = (name: string) =>
      world.metrics.list().find((row) => row.name === name)?.cells[0]?.cell as Histogram;
    const before = family('log_batch_entries').count;
    log.append(1, makeEntries(2, 4));
    log.flush(() => undefined);
    log.append(1, makeEntries(5, 6));
    world.settle();
    world.flush(log);
    expect(family('log_batch_entries').count - before).toBe(2);
    expect(family('log_batch_entries').sum).toBe(1 + 3 + 2);
    expect(family('log_fsync_seconds').count).toBe(family('log_batch_bytes').count);
    expect(groupOf(world.reopen(), 1).lastIndex).toBe(6);
  });

  it('fetches in pages, at least one entry each', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 5);
    const page = world.wait<Entry[] | null>((done) => log.fetch(1, 2, 6, 1, done));
    expect(page?.map((entry) => entry.index)).toEqual([2]);
  });

  it('answers null when the entries were truncated while they were being read', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 5);
    log.saveCheckpoint(1, checkpoint(4));
    const { value } = world.outcome<Entry[] | null>((done) => {
      log.fetch(1, 2, 6, 100, done);
      log.truncatePrefix(1, 3, 1);
    });
    expect(value).toBeNull();
  });

  it('refuses what no caller may ask for', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 5);
    expect(() => log.append(1, [makeEntry(7)])).toThrow(/append at 7/);
    expect(() => log.append(9, [makeEntry(1)])).toThrow(/no log/);
    expect(() => log.append(1, [makeEntry(6, 2), makeEntry(7, 1)])).toThrow(/7\/1/);
    expect(() => log.truncatePrefix(1, 3, 1)).toThrow(/without a checkpoint/);
    expect(() => log.createGroup(1, 11, CONFIGURATION)).toThrow(/can't take the place/);
  });

  it('keeps two checkpoints, and forgets one that is dropped', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 9);
    for (const index of [2, 4, 6]) {
      log.saveCheckpoint(1, checkpoint(index));
      world.flush(log);
    }
    const again = world.reopen();
    expect(groupOf(again, 1).checkpoints).toEqual([checkpoint(6), checkpoint(4)]);
    again.dropCheckpoint(1, '6-1.ckpt');
    world.flush(again);
    const third = world.reopen();
    expect(groupOf(third, 1).checkpoints).toEqual([checkpoint(4)]);
    third.saveCheckpoint(1, checkpoint(8));
    world.flush(third);
    expect(groupOf(world.reopen(), 1).checkpoints).toEqual([checkpoint(8), checkpoint(4)]);
  });

  it('E64 an error is final: every later flush fails, nothing is tried again', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    world.disk.failNext('store', 'EIO');
    log.append(1, [makeEntry(2)]);
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('EIO');
    const writes = world.disk.storeWrites;
    log.append(1, [makeEntry(3)]);
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('EIO');
    expect(world.disk.storeWrites).toBe(writes);
  });

  it.each(['file', 'sync'] as const)('E64 a watermark whose %s fails lets the next flush fail', (target) => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    world.settle();
    world.disk.failNext(target, 'EIO');
    log.append(1, [makeEntry(2)]);
    world.flush(log);
    for (const endMs = world.loop.now() + WATERMARK_SYNC_MS; world.loop.step(endMs);) {
      /* the write of the watermark, and its fsync some time later */
    }
    log.append(1, [makeEntry(3)]);
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('EIO');
  });

  it('E64 a flush that is refused counts as a write in flight until its caller is told', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    world.disk.failNext('store', 'EIO');
    log.append(1, [makeEntry(2)]);
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('EIO');
    log.append(1, [makeEntry(3)]);
    let told = false;
    log.flush(() => (told = true));
    expect([log.writing, told]).toEqual([true, false]);
    expect(() => log.flush(() => undefined)).toThrow(/in flight/);
    world.do((done) => log.close(done));
    expect([log.writing, told]).toEqual([false, true]);
  });

  it('E65 a slow fsync keeps nothing but the flush waiting', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    world.disk.slowFactor = 20_000;
    log.append(1, [makeEntry(2)]);
    let flushed = false;
    log.flush(() => (flushed = true));
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      world.timers.after(50, tick);
    };
    tick();
    world.loop.runUntil(world.loop.now() + 1_000);
    expect(flushed).toBe(false);
    expect(ticks).toBeGreaterThan(19);
    log.append(1, [makeEntry(3)]); // collects meanwhile
    world.loop.runUntil(world.loop.now() + 25_000);
    expect(flushed).toBe(true);
  });

  it('E63 a full disk: the error says so, nothing is acknowledged, a restart goes on', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 3);
    world.disk.failNext('store', 'ENOSPC');
    log.append(1, makeEntries(4, 6));
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('ENOSPC');
    const again = world.reopen('kill');
    expect(groupOf(again, 1).suspect).toBeNull();
    expect(groupOf(again, 1).lastIndex).toBeGreaterThanOrEqual(3);
    again.append(1, makeEntries(groupOf(again, 1).lastIndex + 1, 7));
    world.flush(again);
    expect(groupOf(world.reopen(), 1).lastIndex).toBe(7);
  });

  it('a fresh replica takes the place of an old one, of which nothing is left', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 300);
    log.saveCheckpoint(1, checkpoint(250));
    log.truncatePrefix(1, 250, 1);
    world.flush(log);
    log.createGroup(1, 99, { ...CONFIGURATION, learners: [99] });
    world.flush(log);
    expect(entryKeys(world, 1)).toEqual([]);
    log.append(1, makeEntries(1, 2, 5));
    log.saveHardState(1, { term: 5, vote: 0, commit: 0 });
    world.flush(log);
    const found = groupOf(world.reopen(), 1);
    expect(found).toMatchObject({
      replica: 99,
      truncatedIndex: 0,
      lastIndex: 2,
      suspect: null,
      checkpoints: [],
    });
  });

  it('closes after the write in flight and leaves an exact watermark', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    log.append(1, [makeEntry(2)]);
    let flushed = false;
    log.flush((error) => (flushed = error === null));
    world.do((done) => log.close(done));
    expect(flushed).toBe(true);
    expect(world.outcome<void>((done) => log.flush((e) => done(e))).error?.code).toBe('CLOSED');
    expect(groupOf(world.open(), 1).lastIndex).toBe(2); // the lock is free: no new life needed
  });

  it('without fsync says so in its metrics, and never claims durability', () => {
    const world = new StorageWorld();
    world.sync = false;
    const log = makeNode(world, 1, 50);
    const gauge = world.metrics.list().find((row) => row.name === 'log_sync_disabled');
    expect(gauge?.read?.()[0]?.value).toBe(1);
    const syncs = world.disk.syncs;
    log.append(1, [makeEntry(51)]);
    world.flush(log);
    world.settle();
    expect(world.disk.syncs).toBe(syncs);
    // Power loss may take everything; that makes nobody suspect, since nothing was promised.
    for (const group of world.reopen().recovered.groups) expect(group.suspect).toBeNull();
  });
});
