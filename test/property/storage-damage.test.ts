/**
 * E62: every record of a node's store, damaged in its value or in its key. Whatever is hit, the node is refused, or
 * every replica that is not suspect has exactly what it had: nothing damaged is ever believed, and nothing is missing
 * from a replica that still votes.
 */
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/adapters/crc32.js';
import { Prng } from '../../src/base/index.js';
import {
  NODE_GROUP,
  readRecordKey,
  RecordKind,
  RecordWriter,
  type RecordKey,
} from '../../src/codec/index.js';
import type { OrderedStore, StoreBatch, StoreRecord } from '../../src/ports/index.js';
import type { LogStore, RecoveredGroup } from '../../src/storage/index.js';
import { CONFIGURATION, fetchAll, makeEntry, STORE, StorageWorld, textOf } from '../unit/storage/harness.js';

const GROUPS = 3;
const END = new Uint8Array(20).fill(0xff);

/** Three groups in different states, a tombstone, node values; everything durable, the process gone. */
function makeNode(): StorageWorld {
  const world = new StorageWorld(1);
  const log = world.open();
  for (let group = 1; group <= GROUPS; group++) log.createGroup(group, 10 * group, CONFIGURATION);
  log.putNodeValue('instance', Uint8Array.of(1, 2, 3));
  log.putNodeValue('member', Uint8Array.of(4, 5, 6));
  world.flush(log);
  for (let index = 1; index <= 6; index++) {
    for (let group = 1; group <= GROUPS; group++) {
      log.append(group, [makeEntry(index, group)]);
      log.saveHardState(group, { term: group, vote: 2, commit: index - 1 });
    }
    world.flush(log);
  }
  log.saveCheckpoint(2, { index: 2, term: 2, file: '2-2.ckpt' });
  log.saveCheckpoint(2, { index: 4, term: 2, file: '4-2.ckpt' });
  log.truncatePrefix(2, 2, 2);
  world.flush(log);
  world.settle();
  tamper(world, (batch) => {
    const writer = new RecordWriter(crc32);
    writer.tombstone(9, 91);
    batch.put(writer.key, writer.value);
  });
  return world;
}

function withStore<T>(world: StorageWorld, use: (store: OrderedStore) => T): T {
  world.endLife('kill');
  const store = world.wait<OrderedStore | null>((done) => world.disk.openStore(world.owner)(STORE, done));
  if (store === null) throw new Error('no store');
  const value = use(store);
  world.do((done) => store.close(done));
  return value;
}

function tamper(world: StorageWorld, change: (batch: StoreBatch) => void): void {
  withStore(world, (store) => {
    const batch = store.batch();
    change(batch);
    world.do((done) => store.write(batch, true, done));
  });
}

function recordsOf(world: StorageWorld): readonly StoreRecord[] {
  return withStore(world, (store) =>
    world.wait<readonly StoreRecord[]>((done) =>
      store.scan({ gte: new Uint8Array(0), lt: END, countMax: 10_000, bytesMax: 1 << 30 }, (error, records) =>
        done(
          error,
          records.map(({ key, value }) => ({ key: key.slice(), value: value.slice() })),
        ),
      ),
    ),
  );
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** What a replica needs to keep its promises, in words. */
function describeGroup(world: StorageWorld, log: LogStore, group: RecoveredGroup): string {
  const { replica, hardState, configuration, truncatedIndex, truncatedTerm, lastIndex } = group;
  const entries = fetchAll(world, log, group.group, truncatedIndex + 1, lastIndex + 1).map(
    (entry) => `${entry.index}/${entry.term} ${textOf(entry)}`,
  );
  return JSON.stringify([replica, hardState, configuration, truncatedIndex, truncatedTerm, entries]);
}

interface Found {
  readonly groups: ReadonlyMap<number, string>;
  readonly values: string;
  readonly tombstones: string;
}

function describeNode(world: StorageWorld, log: LogStore): Found {
  const groups = log.recovered.groups.filter((group) => group.suspect === null);
  for (const group of groups) {
    if (group.truncatedIndex > 0) expect(group.checkpoints.length).toBeGreaterThan(0);
  }
  return {
    groups: new Map(groups.map((group) => [group.group, describeGroup(world, log, group)])),
    values: JSON.stringify([...log.recovered.values]),
    tombstones: JSON.stringify([...log.recovered.tombstones]),
  };
}

/** What came of it: 'refused', or how many replicas are suspect. */
function judge(world: StorageWorld, whole: Found, what: string): number | 'refused' {
  const { error, value: log } = world.openOutcome();
  if (error !== null || log === null) {
    expect(['DAMAGED_NODE_RECORD'], what).toContain(error?.code);
    return 'refused';
  }
  const found = describeNode(world, log);
  for (const [group, text] of found.groups) expect(text, what).toBe(whole.groups.get(group));
  const suspects = log.recovered.groups.filter((group) => group.suspect !== null);
  // A tombstone alone in its group may go unrecognised; then at least the whole node is in doubt.
  expect(found.values, what).toBe(whole.values);
  if (suspects.length < GROUPS) expect(found.tombstones, what).toBe(whole.tombstones);
  // Fresh replicas take their places: whatever was wrong is not held against those.
  for (const { group, replica } of suspects) log.createGroup(group, replica + 1, CONFIGURATION);
  if (suspects.length > 0) {
    world.flush(log);
    world.settle();
    const next = world.reopen('kill');
    expect(
      next.recovered.groups.filter((group) => group.suspect !== null),
      what,
    ).toEqual([]);
  }
  const present = found.groups.size + suspects.length;
  expect(present, what).toBe(GROUPS);
  return suspects.length;
}

function nameOf(key: Uint8Array): string {
  const at: RecordKey = { group: 0, kind: 0, index: 0 };
  if (!readRecordKey(key, at)) return 'unreadable';
  return `${at.group === NODE_GROUP ? 'node' : at.group} kind ${at.kind} index ${at.index}`;
}

describe('a damaged store', () => {
  const whole = (() => {
    const world = makeNode();
    world.endLife('kill');
    const log = world.open();
    return describeNode(world, log);
  })();
  const records = recordsOf(makeNode());

  it('E62 a flipped bit in any record’s value is noticed, and told of whom it concerns', () => {
    const prng = new Prng(62);
    const outcomes = new Map<number, Set<number | 'refused'>>();
    for (const { key, value } of records) {
      for (let i = 0; i < 3; i++) {
        const bit = prng.below(value.length * 8);
        const world = makeNode();
        tamper(world, (batch) => batch.put(key, flipped(value, bit)));
        const outcome = judge(world, whole, `value of ${nameOf(key)}, bit ${bit}`);
        const kind = key[4] as number;
        outcomes.set(kind, (outcomes.get(kind) ?? new Set()).add(outcome));
      }
    }
    const of = (kind: number): unknown[] => [...(outcomes.get(kind) ?? [])].sort();
    for (const kind of [
      RecordKind.replica,
      RecordKind.hardState,
      RecordKind.configuration,
      RecordKind.truncation,
      RecordKind.entry,
    ]) {
      expect([kind, of(kind)]).toEqual([kind, [1]]); // the replica it belongs to
    }
    expect(of(RecordKind.checkpoint)).toEqual([0]); // the other one serves
    expect(of(RecordKind.tombstone)).toEqual(['refused']);
    expect(of(RecordKind.nodeValue)).toEqual(['refused']);
    expect(of(RecordKind.lowMark)).toEqual([GROUPS]);
    expect(of(RecordKind.batchNumber)).toEqual([GROUPS]);
  });

  it('E62 a flipped bit in any record’s key never costs a replica anything that it does not know of', () => {
    const counts = { refused: 0, suspect: 0, harmless: 0 };
    const prng = new Prng(63);
    for (const { key, value } of records) {
      const bits = new Set(Array.from({ length: 12 }, () => prng.below(key.length * 8)));
      // The lowest bits of group, kind and index make it another record that might be.
      for (const bit of [24, 25, 32, 33, (key.length - 1) * 8, (key.length - 1) * 8 + 3]) bits.add(bit);
      for (const bit of bits) {
        // One record in another's place is beyond what a record's CRC can tell (docs/formats.md).
        if (records.some((record) => isEqual(record.key, flipped(key, bit)))) continue;
        const world = makeNode();
        tamper(world, (batch) => {
          batch.del(key);
          batch.put(flipped(key, bit), value);
        });
        const outcome = judge(world, whole, `key of ${nameOf(key)}, bit ${bit}`);
        if (outcome === 'refused') counts.refused++;
        else if (outcome > 0) counts.suspect++;
        else counts.harmless++;
      }
    }
    expect(counts.suspect).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(50);
  });
});
