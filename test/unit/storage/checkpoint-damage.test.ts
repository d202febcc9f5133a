/**
 * Checkpoint files of every wrong kind, made at every boundary of their sections: refused by name, nothing finished, what
 * was built let go, and told in log and metric. What falls back on what is tested in unit/node/checkpoint-fallback.
 */
import { describe, expect, it } from 'vitest';
import { lz4Compressor } from '../../../src/adapters/lz4.js';
import type { Compressor, SnapshotLoader } from '../../../src/ports/index.js';
import {
  openCheckpoints,
  type CheckpointMeta,
  type CheckpointPointer,
  type CheckpointStore,
} from '../../../src/storage/index.js';
import { assemble, dissect, frameOf, wrongFiles } from '../../support/checkpoint-surgery.js';
import { CONFIGURATION, FOLDER, StorageWorld } from './harness.js';

const GROUP = 3;
const META: CheckpointMeta = {
  group: GROUP,
  index: 100,
  term: 4,
  configuration: CONFIGURATION,
  stateHash: '0123456789abcdef',
};
const POINTER: CheckpointPointer = { index: 100, term: 4, file: '100-4.ckpt' };
const PATH = `${FOLDER}/checkpoints/g${GROUP}/${POINTER.file}`;

function openNode(): { world: StorageWorld; store: CheckpointStore } {
  const world = new StorageWorld();
  world.open();
  return { world, store: world.checkpoints() };
}

function put(world: StorageWorld, bytes: Uint8Array): void {
  world.do((done) =>
    world.disk.files(world.owner).open(PATH, 'create', (error, file) => {
      if (error || !file) return done(error);
      file.write(0, bytes, done);
    }),
  );
}

function read(world: StorageWorld): Uint8Array {
  return world.wait<Uint8Array | null>((done) =>
    world.disk.files(world.owner).readAll(PATH, done),
  ) as Uint8Array;
}

/** A good file of some frames. */
function makeFile(world: StorageWorld, store: CheckpointStore, meta = META): Uint8Array {
  let left = 4;
  const source = {
    next: () => (left-- > 0 ? Uint8Array.from({ length: 600 }, (_, i) => (i * left) & 0xff) : null),
    release: () => undefined,
  };
  world.wait((done) => store.write(meta, source, (error) => done(error, null)));
  return read(world);
}

function load(world: StorageWorld, store: CheckpointStore) {
  const seen = { pushed: 0, finished: 0, dropped: 0 };
  const loader: SnapshotLoader = {
    push: () => void seen.pushed++,
    finish: () => void seen.finished++,
    drop: () => void seen.dropped++,
  };
  const { error } = world.outcome<CheckpointMeta | null>((done) => store.load(GROUP, POINTER, loader, done));
  return { ...seen, code: error?.code ?? 'loaded' };
}

describe('a checkpoint file that is wrong', () => {
  it('E58 C3 C4 at any boundary of its sections is refused by name, and told in log and metric', () => {
    const { world, store } = openNode();
    const file = makeFile(world, store);
    expect(load(world, store)).toEqual({ pushed: 4, finished: 1, dropped: 0, code: 'loaded' });
    let refused = 0;
    for (const { what, bytes, code } of wrongFiles(file)) {
      put(world, bytes);
      const outcome = load(world, store);
      expect(outcome.code, what).toMatch(code);
      expect([outcome.finished, outcome.dropped], what).toEqual([0, 1]);
      refused++;
      expect(world.counter('snapshots_failed_total'), what).toBe(refused);
      const line = world.lines.at(-1);
      expect([line?.event, line?.fields['code'], line?.fields['index']], what).toEqual([
        'checkpoint failed',
        outcome.code,
        100,
      ]);
    }
    expect(refused).toBeGreaterThan(100);
    put(world, file);
    expect(load(world, store).code).toBe('loaded');
  });

  it('C5 E66 of another shard, index or term, or not there at all, is refused by name', () => {
    for (const meta of [
      { ...META, group: 4 },
      { ...META, index: 99 },
      { ...META, term: 5 },
    ]) {
      const { world, store } = openNode();
      makeFile(world, store); // makes the folder
      const path = `${FOLDER}/checkpoints/g${meta.group}/${meta.index}-${meta.term}.ckpt`;
      const source = { next: () => null, release: () => undefined };
      world.wait((done) => store.write(meta, source, (error) => done(error, null)));
      world.do((done) => world.disk.files(world.owner).rename(path, PATH, done));
      const outcome = load(world, store);
      expect([outcome.code, outcome.finished, outcome.dropped]).toEqual(['FOREIGN_CHECKPOINT', 0, 1]);
    }
    const { world, store } = openNode();
    expect(load(world, store).code).toBe('MISSING_CHECKPOINT');
  });

  it('whose frames are right and whose state is not what was written is refused, too', () => {
    const { world, store } = openNode();
    makeFile(world, store);
    let dropped = 0;
    const loader: SnapshotLoader = {
      push: () => undefined,
      finish: () => {
        throw new RangeError('snapshot: 3 items instead of 4');
      },
      drop: () => void dropped++,
    };
    const { error } = world.outcome<CheckpointMeta | null>((done) =>
      store.load(GROUP, POINTER, loader, done),
    );
    expect([error?.code, dropped]).toEqual(['DAMAGED_CHECKPOINT', 1]);
    expect(error?.message).toContain('3 items instead of 4');
    expect(world.counter('snapshots_failed_total')).toBe(1);
  });

  it('E54 a frame that holds more than it states takes no more memory than it states', () => {
    const { world, store } = openNode();
    const { header } = dissect(makeFile(world, store));
    const bomb = lz4Compressor.compress(new Uint8Array(48 * 1024 * 1024));
    const taken: number[] = [];
    const counting: Compressor = {
      compress: (plain) => lz4Compressor.compress(plain),
      decompress: (packed, plainBytes) => {
        const before = process.memoryUsage().arrayBuffers;
        try {
          return lz4Compressor.decompress(packed, plainBytes);
        } finally {
          taken.push(process.memoryUsage().arrayBuffers - before);
        }
      },
    };
    const careful = openCheckpoints({ ...world.ports, compressor: counting });
    put(world, assemble(header, [frameOf(0, bomb, new Uint8Array(1000))]));
    expect(load(world, careful).code).toBe('DAMAGED_CHECKPOINT');
    expect(taken).toHaveLength(1);
    expect(taken[0]).toBeLessThan(1024 * 1024);
    // What states more than LZ4 can hold is refused before it is looked at.
    const small = lz4Compressor.compress(new Uint8Array(1000));
    put(world, assemble(header, [frameOf(0, small, new Uint8Array(1000), 600 * 1024 * 1024)]));
    expect(load(world, careful).code).toBe('DAMAGED_CHECKPOINT');
    expect(taken).toHaveLength(1);
  });
});
