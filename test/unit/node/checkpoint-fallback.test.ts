/**
 * A node that starts on a bad newest checkpoint: the older one and the log behind it give the same state, whatever is
 * wrong with the file and wherever; it is told in the log, and the pointer goes. Real files of a real state on a
 * simulated disk; the log is in memory. Both bad: unit/node/recovery and sim/disk-failures.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { appendCommand, beginEntry, ByteWriter, finishEntry } from '../../../src/base/index.js';
import { createKv, type Kv } from '../../../src/kv/index.js';
import { recoverGroup } from '../../../src/node/recovery.js';
import { createRaft } from '../../../src/raft/index.js';
import { nodeSettingsSchema } from '../../../src/settings/index.js';
import type { CheckpointPointer, CheckpointStore, RecoveredGroup } from '../../../src/storage/index.js';
import { assemble, dissect, wrongFiles } from '../../support/checkpoint-surgery.js';
import { incrCommand, setCommand } from '../../support/loop-commands.js';
import { TestHosts } from '../../support/loop-hosts.js';
import { makeConfiguration } from '../../support/raft-builders.js';
import { FOLDER, StorageWorld } from '../storage/harness.js';

const GROUP = 1;
const OLDER = { index: 40, term: 1, file: '40-1.ckpt' };
const NEWEST = { index: 60, term: 1, file: '60-1.ckpt' };
const LAST = 80;
const PLACE = `${FOLDER}/checkpoints/g${GROUP}`;
const CONFIGURATION = makeConfiguration([1, 2, 3]);

const newKv = (): Kv => createKv({ hashSeed: 1, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 });

/** Counted things show what was applied twice, or never. */
function entryAt(index: number): Uint8Array {
  const w = new ByteWriter();
  beginEntry(w);
  const ttlMs = index % 3 === 0 ? 3_600_000 : 0;
  const commands = [setCommand(`key ${index % 50}`, `${index} `.repeat(30), ttlMs), incrCommand('count')];
  for (const command of commands) appendCommand(w, command, 0, command.length);
  finishEntry(w, 1000 + index, commands.length);
  return w.take();
}

const RECOVERED: RecoveredGroup = {
  group: GROUP,
  replica: 1,
  hardState: { term: 1, vote: 0, commit: LAST },
  configuration: CONFIGURATION,
  configurationIndex: 0,
  truncatedIndex: OLDER.index,
  truncatedTerm: 1,
  lastIndex: LAST,
  termRuns: [{ index: OLDER.index + 1, term: 1 }],
  checkpoints: [NEWEST, OLDER],
  suspect: null,
  logBytes: 0,
};

class Disk {
  readonly world = new StorageWorld();
  readonly store: CheckpointStore;
  /** The state's hash after the last entry. */
  readonly hash: string;
  readonly newest: Uint8Array;

  constructor() {
    this.world.open();
    this.store = this.world.checkpoints(512);
    const kv = newKv();
    for (let index = 1; index <= LAST; index++) {
      kv.apply(index, 1, entryAt(index), null);
      for (const pointer of [OLDER, NEWEST]) if (pointer.index === index) this.write(kv, pointer);
    }
    this.hash = kv.stateHash();
    const files = this.world.disk.files(this.world.owner);
    this.newest = this.world.wait<Uint8Array | null>((done) =>
      files.readAll(`${PLACE}/${NEWEST.file}`, done),
    ) as Uint8Array;
  }

  private write(kv: Kv, { index, term }: CheckpointPointer): void {
    const meta = { group: GROUP, index, term, configuration: CONFIGURATION, stateHash: kv.stateHash() };
    this.world.wait((done) => this.store.write(meta, kv.snapshot(), (error) => done(error, null)));
  }

  putNewest(bytes: Uint8Array): void {
    this.world.do((done) =>
      this.world.disk.files(this.world.owner).open(`${PLACE}/${NEWEST.file}`, 'create', (error, file) => {
        if (error || !file) return done(error);
        file.write(0, bytes, done);
      }),
    );
  }

  /** Starts a node on what is there; it stands alone, so it applies what it knows to be committed. */
  start() {
    const { world } = this;
    const from = world.lines.length;
    const node = new TestHosts(3).start().node(1);
    const log = node.store.logOf(GROUP);
    log.truncatedIndex = OLDER.index;
    log.truncatedTerm = 1;
    for (let index = OLDER.index + 1; index <= LAST; index++)
      log.entries.push({ index, term: 1, kind: 0, data: entryAt(index) });
    const forgotten: string[] = [];
    node.store.dropCheckpoint = (_group?: number, file?: string): void => void forgotten.push(file ?? '');
    recoverGroup(
      {
        host: node.host,
        checkpoints: this.store,
        createRaft,
        machineOf: newKv,
        entropy: { u32: () => 1, below: () => 0, bytes: (count) => new Uint8Array(count) },
        logger: world.logger,
        settings: nodeSettingsSchema.parse({}),
        groupsHere: 2,
      },
      RECOVERED,
      () => undefined,
    );
    world.settle();
    const replica = node.replica(GROUP);
    const loadedAt = replica.appliedIndex;
    node.cluster.world.run(1_000);
    const told = world.lines
      .slice(from)
      .filter(({ event }) => event === 'checkpoint is broken, falling back');
    const { suspect, appliedIndex, policy } = replica;
    const hash = replica.machine.stateHash();
    node.host.stop();
    return { loadedAt, suspect, appliedIndex, hash, told, forgotten, pointers: policy.pointers };
  }
}

describe('a node that starts on a bad newest checkpoint', () => {
  let disk: Disk;
  beforeAll(() => {
    disk = new Disk();
  });

  it('E56 E90 a good one and the log behind it give the state that was', () => {
    disk.putNewest(disk.newest);
    const { loadedAt, appliedIndex, hash, told, forgotten } = disk.start();
    expect([loadedAt, appliedIndex, hash]).toEqual([NEWEST.index, LAST, disk.hash]);
    expect([told, forgotten]).toEqual([[], []]);
  });

  it('E58 loads the older one, and loses nothing, whatever is wrong and wherever', () => {
    let cases = 0;
    for (const { what, bytes, code } of wrongFiles(disk.newest)) {
      disk.putNewest(bytes);
      const outcome = disk.start();
      expect([outcome.loadedAt, outcome.suspect], what).toEqual([OLDER.index, null]);
      expect([outcome.appliedIndex, outcome.hash], what).toEqual([LAST, disk.hash]);
      expect(outcome.told, what).toHaveLength(1);
      expect([outcome.told[0]?.level, outcome.told[0]?.fields['file']]).toEqual(['error', NEWEST.file]);
      expect(outcome.told[0]?.fields['code'], what).toMatch(code);
      expect([outcome.forgotten, outcome.pointers], what).toEqual([[NEWEST.file], [OLDER]]);
      cases++;
    }
    expect(cases).toBeGreaterThan(100);
    expect(disk.world.counter('snapshots_failed_total')).toBe(cases);
  });

  it('E58 also when every frame is right, and one is missing', () => {
    const { header, frames } = dissect(disk.newest);
    disk.putNewest(assemble(header, frames.slice(0, -1)));
    const { loadedAt, hash, told } = disk.start();
    expect([loadedAt, hash]).toEqual([OLDER.index, disk.hash]);
    expect(told[0]?.fields['error']).toContain('items instead of');
  });
});
