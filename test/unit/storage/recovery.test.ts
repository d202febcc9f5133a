/** The table "What recovery concludes" of docs/formats.md: a test a row, named by it. */
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/adapters/crc32.js';
import { RecordKind, RecordWriter, readRecordKey, type RecordKey } from '../../../src/codec/index.js';
import { encodeUtf8 } from '../../../src/base/index.js';
import type { OrderedStore, StoreBatch } from '../../../src/ports/index.js';
import type { LogStore } from '../../../src/storage/index.js';
import {
  CONFIGURATION,
  fetchAll,
  FOLDER,
  groupOf,
  makeEntry,
  makeNode,
  STORE,
  StorageWorld,
} from './harness.js';

const WATERMARK = `${FOLDER}/WATERMARK`;

/** A node with a batch per entry from 2 on, each with its hard state. */
function makeBusyNode(world: StorageWorld, batches: number, groups = 2): LogStore {
  const log = makeNode(world, groups, 1);
  for (let i = 0; i < batches; i++) {
    for (let group = 1; group <= groups; group++) {
      log.append(group, [makeEntry(2 + i)]);
      log.saveHardState(group, { term: 1, vote: 2, commit: 1 + i });
    }
    world.flush(log);
  }
  return log;
}

function suspects(log: LogStore): (string | null)[] {
  return log.recovered.groups.map((group) => group.suspect);
}

function keyIs(group: number, kind: number, index: number): (key: Uint8Array) => boolean {
  const at: RecordKey = { group: 0, kind: 0, index: 0 };
  return (key) => readRecordKey(key, at) && at.group === group && at.kind === kind && at.index === index;
}

/** Deletes or writes records behind the log store's back, in a life of its own. */
function tamper(world: StorageWorld, change: (batch: StoreBatch) => void): void {
  world.endLife('kill');
  const store = world.wait<OrderedStore | null>((done) => world.disk.openStore(world.owner)(STORE, done));
  if (!store) throw new Error('no store');
  const batch = store.batch();
  change(batch);
  world.do((done) => store.write(batch, true, done));
  world.do((done) => store.close(done));
}

function keyOf(group: number, kind: RecordKind, index: number): Uint8Array {
  const writer = new RecordWriter(crc32);
  writer.keyOf(group, kind, index);
  return writer.key;
}

describe('what recovery concludes', () => {
  it('R1 killed at any moment of its birth: the next start goes on, nobody is suspect', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const world = new StorageWorld(seed);
      world.startOpen(() => undefined);
      world.loop.runUntil(world.loop.now() + seed * 0.15);
      const log = world.reopen(seed % 2 === 0 ? 'power' : 'kill');
      log.createGroup(1, 11, CONFIGURATION);
      world.flush(log);
      expect(suspects(world.reopen())).toEqual([null]);
    }
  });

  it('R2 R3 E61 power lost before the fsync returned: the batch is whole or gone, nobody is suspect', () => {
    let present = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const world = new StorageWorld(seed);
      const log = makeBusyNode(world, 3);
      log.append(1, [makeEntry(5)]);
      log.append(2, [makeEntry(5)]);
      log.flush(() => undefined);
      const again = world.reopen();
      expect(suspects(again)).toEqual([null, null]);
      const last = groupOf(again, 1).lastIndex;
      expect(groupOf(again, 2).lastIndex).toBe(last);
      expect([4, 5]).toContain(last);
      if (last === 5) present++;
    }
    expect(present).toBeGreaterThan(0);
    expect(present).toBeLessThan(40);
  });

  it('R4 E60 power lost right after the fsync returned, watermark behind: nothing is lost, nobody suspect', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new StorageWorld(seed);
      makeBusyNode(world, 5);
      const again = world.reopen(); // the last flush has just called back
      expect(suspects(again)).toEqual([null, null]);
      expect(groupOf(again, 1).lastIndex).toBe(6);
      expect(groupOf(again, 1).hardState).toEqual({ term: 1, vote: 2, commit: 5 });
    }
  });

  it('R5 one slot of the watermark is torn: the other one counts', () => {
    for (const at of [3, 4096 + 3]) {
      const world = new StorageWorld();
      makeBusyNode(world, 5);
      world.settle();
      world.endLife('power');
      expect(world.disk.corruptFile(WATERMARK, at)).toBe(true);
      const again = world.open();
      expect(suspects(again)).toEqual([null, null]);
      expect(groupOf(again, 1).lastIndex).toBe(6);
    }
  });

  it('R6 E62 a bit flip drops batches in the middle of the log: every replica of the node is suspect', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 30);
    world.settle();
    // Batch 0 is the opening one, 1 creates the groups; drop ten of those with one entry per group.
    expect(world.disk.flipStoreBit(STORE, 12, 10)).toBe(true);
    const again = world.reopen('kill');
    expect(suspects(again)).toEqual(Array(2).fill('log batches 13 to 22 are missing (the last one is 32)'));
    // What is behind the hole is never returned.
    expect(groupOf(again, 1).lastIndex).toBe(11);
    expect(fetchAll(world, again, 1, 1, 12)).toHaveLength(11);
    expect(world.lines.filter((line) => line.event === 'replica is suspect')).toHaveLength(2);
  });

  it('R7 E61 the end of the log is gone although its fsync had returned: every replica is suspect', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 30);
    world.settle();
    world.disk.flipStoreBit(STORE, 30, 2);
    const again = world.reopen('kill');
    expect(suspects(again)).toEqual(Array(2).fill('the log ends at batch 30, but batch 32 was durable'));
  });

  it('R8 E62 the dropped batch held nothing but a vote: every replica is suspect', () => {
    const world = new StorageWorld();
    const log = makeBusyNode(world, 5);
    log.saveHardState(1, { term: 2, vote: 3, commit: 5 });
    world.flush(log);
    log.append(2, [makeEntry(7)]);
    world.flush(log);
    world.settle();
    world.disk.flipStoreBit(STORE, 7, 1);
    const again = world.reopen('kill');
    expect(suspects(again)).toEqual(Array(2).fill('log batches 8 to 8 are missing (the last one is 9)'));
    expect(groupOf(again, 1).hardState.term).toBe(1);
  });

  it('R9 a damaged entry: its replica is suspect, its log is cut before it, the others go on', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 9);
    world.settle();
    world.endLife('kill');
    world.disk.flipStoredValue(STORE, keyIs(1, RecordKind.entry, 6));
    const again = world.open();
    expect(suspects(again)).toEqual(['log entry 6 is damaged', null]);
    expect(groupOf(again, 1).lastIndex).toBe(5);
    expect(groupOf(again, 2).lastIndex).toBe(10);
    expect(world.counter('log_corrupt_records_total')).toBe(1);
    expect(fetchAll(world, again, 1, 1, 6)).toHaveLength(5);
    // The entries behind the cut are gone: what is appended now stands alone.
    again.append(1, [makeEntry(6, 1)]);
    again.saveHardState(1, { term: 1, vote: 0, commit: 5 });
    world.flush(again);
    const third = world.reopen();
    expect(groupOf(third, 1)).toMatchObject({ lastIndex: 6, suspect: 'log entry 6 is damaged' });
  });

  it('R9 a damaged entry that is met while running is an error, never an entry', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 9);
    world.disk.flipStoredValue(STORE, keyIs(1, RecordKind.entry, 6));
    const { error, value } = world.outcome((done) => log.fetch(1, 4, 9, 1000, done));
    expect(error?.code).toBe('DAMAGED_ENTRY');
    expect(value).toBeNull();
    expect(world.counter('log_corrupt_records_total')).toBe(1);
  });

  it('R10 a damaged hard state: its replica is suspect, and its term is not below its log', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 3);
    log.append(1, [makeEntry(4, 8)]);
    log.saveHardState(1, { term: 8, vote: 3, commit: 3 });
    world.flush(log);
    world.endLife('kill');
    world.disk.flipStoredValue(STORE, keyIs(1, RecordKind.hardState, 0));
    const again = world.open();
    expect(suspects(again)).toEqual(['the hard state (term and vote) is missing or damaged', null]);
    expect(groupOf(again, 1).hardState).toEqual({ term: 8, vote: 0, commit: 0 });
  });

  it('R11 every other record of a group, damaged: that replica is suspect, nobody else', () => {
    const rows: [number, string][] = [
      [RecordKind.replica, 'the record of its replica id is missing or damaged'],
      [RecordKind.configuration, 'the configuration is missing or damaged'],
      [RecordKind.truncation, 'the truncation point is missing or damaged'],
    ];
    for (const [kind, reason] of rows) {
      const world = new StorageWorld();
      makeNode(world, 2, 3);
      world.endLife('kill');
      world.disk.flipStoredValue(STORE, keyIs(1, kind, 0));
      expect(suspects(world.open())).toEqual([reason, null]);
      world.endLife('power');
      expect(suspects(world.open())).toEqual([reason, null]);
    }
  });

  it('R12 entries are missing, or terms fall, though no batch is: that replica is suspect', () => {
    const world = new StorageWorld();
    makeNode(world, 2, 9);
    tamper(world, (batch) => {
      batch.del(keyOf(1, RecordKind.entry, 4));
      batch.del(keyOf(1, RecordKind.entry, 5));
      const writer = new RecordWriter(crc32);
      writer.entry(2, { index: 3, term: 0, kind: 0, data: new Uint8Array(0) });
      batch.put(writer.key, writer.value);
    });
    expect(suspects(world.open())).toEqual([
      'log entries 4 to 5 are missing',
      'the term falls from 1 to 0 at log entry 3',
    ]);
  });

  it('R13 the log ends before what was committed, or is of a later term than stored: suspect', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 2, 9);
    log.saveHardState(1, { term: 1, vote: 0, commit: 9 });
    world.flush(log);
    tamper(world, (batch) => {
      batch.del(keyOf(1, RecordKind.entry, 9));
      const writer = new RecordWriter(crc32);
      writer.hardState(2, { term: 0, vote: 0, commit: 0 });
      batch.put(writer.key, writer.value);
    });
    expect(suspects(world.open())).toEqual([
      'the log ends at 8, but 9 was committed',
      'the stored term is 0, but the log reached term 1',
    ]);
  });

  it('R14 E58 a truncated log without a checkpoint that reaches so far: suspect; one damaged pointer of two is not', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 9);
    log.saveCheckpoint(1, { index: 4, term: 1, file: '4-1.ckpt' });
    log.saveCheckpoint(1, { index: 6, term: 1, file: '6-1.ckpt' });
    log.truncatePrefix(1, 4, 1);
    world.flush(log);
    world.endLife('kill');
    world.disk.flipStoredValue(STORE, keyIs(1, RecordKind.checkpoint, 1));
    const again = world.open();
    expect(suspects(again)).toEqual([null]);
    expect(groupOf(again, 1).checkpoints.map((pointer) => pointer.index)).toEqual([4]);
    world.endLife('kill');
    world.disk.flipStoredValue(STORE, keyIs(1, RecordKind.checkpoint, 0));
    expect(suspects(world.open())).toEqual(['the log begins after 4 and no checkpoint reaches that far']);
  });

  it('R15 killed at any moment of an opening that finds a gap: the next one finds the suspects again', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const world = new StorageWorld(seed);
      makeBusyNode(world, 12);
      world.settle();
      world.disk.flipStoreBit(STORE, 6, 2);
      world.endLife('kill');
      world.startOpen(() => undefined);
      world.loop.runUntil(world.loop.now() + seed * 0.05);
      const again = world.reopen(seed % 2 === 0 ? 'power' : 'kill');
      for (const reason of suspects(again)) expect(reason).toContain('batches 7 to 8');
    }
  });

  it('R16 the watermark is gone or no slot of it is whole: every replica is suspect', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 5);
    world.settle();
    world.endLife('kill');
    world.disk.removeFile(WATERMARK);
    expect(suspects(world.open())).toEqual(Array(2).fill('the watermark file is missing'));

    const other = new StorageWorld();
    makeBusyNode(other, 5);
    other.settle();
    other.endLife('kill');
    other.disk.corruptFile(WATERMARK, 3);
    other.disk.corruptFile(WATERMARK, 4096 + 3);
    expect(suspects(other.open())).toEqual(Array(2).fill('the watermark file is damaged'));
  });

  it('R17 the log was removed or replaced, the watermark is there: refused, never started empty', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 5);
    world.settle();
    world.endLife('kill');
    world.disk.removeStore(STORE);
    expect(world.openOutcome().error?.code).toBe('LOG_MISSING');
  });

  it('R18 a newer format is refused by name and nothing is touched', () => {
    const world = new StorageWorld();
    makeNode(world, 1, 1);
    world.endLife('kill');
    const write = (text: string): void => {
      const files = world.disk.files(world.owner);
      world.do((done) =>
        files.open(`${FOLDER}/FORMAT`, 'create', (error, file) => {
          if (error || !file) return done(error);
          file.write(0, encodeUtf8(text), done);
        }),
      );
    };
    write('quorate format 2\n');
    const writes = world.disk.storeWrites;
    const { error } = world.openOutcome();
    expect(error?.code).toBe('NEWER_FORMAT');
    expect(error?.message).toContain('format 2');
    expect(world.disk.storeWrites).toBe(writes);
    write('something else\n');
    expect(world.openOutcome().error?.code).toBe('UNKNOWN_FORMAT');
  });

  it('R19 E103 a suspect replica stays suspect over restarts; a fresh replica in its place is not', () => {
    const world = new StorageWorld();
    makeBusyNode(world, 12);
    world.settle();
    world.disk.flipStoreBit(STORE, 6, 2);
    let log = world.reopen('kill');
    for (let i = 0; i < 3; i++) {
      expect(suspects(log).filter((reason) => reason !== null)).toHaveLength(2);
      log = world.reopen(i % 2 === 0 ? 'power' : 'kill');
    }
    log.createGroup(1, 77, CONFIGURATION);
    world.flush(log);
    world.settle();
    const last = world.reopen();
    expect(groupOf(last, 1)).toMatchObject({ replica: 77, suspect: null });
    expect(groupOf(last, 2).suspect).not.toBeNull();
  });

  it('R20 a damaged record of the node itself: refused by name', () => {
    const world = new StorageWorld();
    const log = makeNode(world, 1, 1);
    log.putNodeValue('identity', Uint8Array.of(7));
    world.flush(log);
    world.endLife('kill');
    world.disk.flipStoredValue(STORE, (key) => key[0] === 0xff && key[4] === RecordKind.nodeValue);
    const { error } = world.openOutcome();
    expect(error?.code).toBe('DAMAGED_NODE_RECORD');
    expect(error?.message).toContain('identity');
  });

  it('R21 the low mark or a batch number is damaged: every replica is suspect', () => {
    for (const [kind, index, reason] of [
      [RecordKind.lowMark, 0, 'the low mark of the batch numbers is missing or damaged'],
      [RecordKind.batchNumber, 4, 'log batches 4 to 4 are missing (the last one is 7)'],
    ] as const) {
      const world = new StorageWorld();
      makeBusyNode(world, 5);
      world.settle();
      world.endLife('kill');
      expect(world.disk.flipStoredValue(STORE, keyIs(0xffffffff, kind, index))).toBe(true);
      expect(suspects(world.open())).toEqual(Array(2).fill(reason));
    }
  });

  it('R22 a tombstone outlives everything: a removed replica never comes back', () => {
    const world = new StorageWorld();
    makeNode(world, 2, 3);
    tamper(world, (batch) => {
      const writer = new RecordWriter(crc32);
      writer.tombstone(1, 11);
      batch.put(writer.key, writer.value);
    });
    const log = world.open();
    expect(log.recovered.groups.map((group) => group.group)).toEqual([2]);
    expect(log.recovered.tombstones.get(1)).toBe(11);
    expect(() => log.createGroup(1, 11, CONFIGURATION)).toThrow(/never comes back/);
  });

  it('R23 E62 a damaged record that has no place: nobody can say whose it was, so every replica is suspect, once', () => {
    // The last entry of group 1 under a key in which one bit is wrong: nothing in group 1 misses it.
    const rows: { byte: number; mask: number; reason: string }[] = [
      { byte: 3, mask: 1, reason: 'a damaged record of group 0, of which nothing else is here' },
      { byte: 4, mask: 1, reason: 'a damaged record of kind 17 under number 3 in group 1' },
      { byte: 12, mask: 0x80, reason: 'a damaged record at log index 131 in group 1' },
    ];
    for (const { byte, mask, reason } of rows) {
      const world = new StorageWorld();
      makeNode(world, 3, 3);
      tamper(world, (batch) => {
        const writer = new RecordWriter(crc32);
        writer.entry(1, makeEntry(3));
        const key = writer.key.slice();
        key[byte] = (key[byte] as number) ^ mask;
        batch.put(key, writer.value);
        batch.del(writer.key);
      });
      const log = world.open();
      expect(suspects(log)).toEqual(Array(3).fill(reason));
      for (let group = 1; group <= 3; group++) log.createGroup(group, 90 + group, CONFIGURATION);
      world.flush(log);
      world.settle();
      expect(suspects(world.reopen())).toEqual([null, null, null]);
    }
  });

  it('R24 E62 a damaged tombstone, or a record with an unreadable key: refused by name', () => {
    const damage: ((batch: StoreBatch) => void)[] = [
      (batch) => {
        const writer = new RecordWriter(crc32);
        writer.tombstone(7, 70);
        batch.put(writer.key, writer.value.slice().fill(9, 6));
      },
      (batch) => batch.put(Uint8Array.of(0, 0, 0, 1, 16), Uint8Array.of(1, 2, 3)),
    ];
    const names = ['tombstone of group 7', 'unreadable key'];
    for (const [i, change] of damage.entries()) {
      const world = new StorageWorld();
      makeNode(world, 2, 3);
      tamper(world, change);
      const { error } = world.openOutcome();
      expect(error?.code).toBe('DAMAGED_NODE_RECORD');
      expect(error?.message).toContain(names[i]);
    }
  });

  it('E104 power cut under load, over and over: nobody is suspect, nothing acknowledged is missing', () => {
    for (let seed = 1; seed <= 25; seed++) {
      const world = new StorageWorld(seed);
      let log = makeNode(world, 3, 1);
      let acknowledged = 1;
      for (let round = 0; round < 6; round++) {
        let next = round === 0 ? 1 : groupOf(log, 1).lastIndex;
        const pump = (): void => {
          next++;
          const index = next;
          for (let group = 1; group <= 3; group++) log.append(group, [makeEntry(index)]);
          log.flush((error) => {
            if (error) throw error;
            acknowledged = index;
            pump();
          });
        };
        pump();
        world.loop.runUntil(world.loop.now() + 5 + seed);
        log = world.reopen();
        expect(suspects(log)).toEqual([null, null, null]);
        for (let group = 1; group <= 3; group++) {
          expect(groupOf(log, group).lastIndex).toBeGreaterThanOrEqual(acknowledged);
        }
      }
      expect(acknowledged).toBeGreaterThan(10);
    }
  });

  it('E66 records of one group under the key of another are damage, never that group’s log', () => {
    const world = new StorageWorld();
    makeNode(world, 2, 3);
    const foreign = world.disk
      .storeRecords(STORE)
      .find((record) => keyIs(1, RecordKind.entry, 2)(record.key));
    tamper(world, (batch) => batch.put(keyOf(2, RecordKind.entry, 2), foreign?.value ?? new Uint8Array(0)));
    expect(suspects(world.open())).toEqual([null, 'log entry 2 is damaged']);
  });

  it('E67 two processes on one directory: the second one stops at once', () => {
    const world = new StorageWorld();
    makeNode(world, 1, 1);
    const first = world.owner;
    world.owner = world.loop.owner();
    expect(world.openOutcome().error?.code).toBe('LOCKED');
    world.owner = first;
  });
});
