/** Checkpoint files: rows C1 to C8 of docs/formats.md, and the rows of EDGE-CASES that speak of them. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import type { SnapshotLoader, SnapshotSource } from '../../../src/ports/index.js';
import type {
  CheckpointMeta,
  CheckpointPointer,
  CheckpointReceiver,
  CheckpointStore,
  CheckpointStream,
} from '../../../src/storage/index.js';
import { CONFIGURATION, FOLDER, StorageWorld } from './harness.js';

const GROUP = 3;
const PLACE = `${FOLDER}/checkpoints/g${GROUP}`;

function makeMeta(index = 100, term = 4): CheckpointMeta {
  return { group: GROUP, index, term, configuration: CONFIGURATION, stateHash: '0123456789abcdef' };
}

/** Chunks of about 1 KiB, half of them compressible. */
function makeChunks(count: number, seed = 1): Uint8Array[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from({ length: 1000 + i }, () => (i % 2 === 0 ? prng.below(256) : prng.below(2))),
  );
}

function sourceOf(chunks: readonly Uint8Array[]): SnapshotSource {
  let at = 0;
  return { next: () => chunks[at++] ?? null };
}

class Loader implements SnapshotLoader {
  chunks: Uint8Array[] = [];
  finished = false;
  push(chunk: Uint8Array): void {
    this.chunks.push(chunk.slice());
  }
  finish(): void {
    this.finished = true;
  }
}

function write(world: StorageWorld, store: CheckpointStore, meta: CheckpointMeta, chunks: Uint8Array[]) {
  return world.wait<CheckpointPointer | null>((done) =>
    store.write(meta, sourceOf(chunks), (error, pointer) => done(error, pointer)),
  ) as CheckpointPointer;
}

function load(world: StorageWorld, store: CheckpointStore, pointer: CheckpointPointer) {
  const loader = new Loader();
  const outcome = world.outcome<CheckpointMeta | null>((done) => store.load(GROUP, pointer, loader, done));
  return { loader, ...outcome };
}

function openNode(seed = 1): { world: StorageWorld; store: CheckpointStore } {
  const world = new StorageWorld(seed);
  world.open();
  return { world, store: world.checkpoints() };
}

function streamOf(world: StorageWorld, store: CheckpointStore, pointer: CheckpointPointer): CheckpointStream {
  return world.wait<CheckpointStream | null>((done) =>
    store.openStream(GROUP, pointer, done),
  ) as CheckpointStream;
}

function receiverOf(
  world: StorageWorld,
  store: CheckpointStore,
  index: number,
  bytes: number,
  crc: number,
): CheckpointReceiver {
  return world.wait<CheckpointReceiver | null>((done) =>
    store.receive(GROUP, index, bytes, crc, done),
  ) as CheckpointReceiver;
}

describe('checkpoints', () => {
  it('load gives back what was written, chunk by chunk, for every number of chunks', () => {
    const { world, store } = openNode();
    for (const count of [0, 1, 7]) {
      const chunks = makeChunks(count);
      const pointer = write(world, store, makeMeta(100 + count), chunks);
      const { error, value, loader } = load(world, store, pointer);
      expect(error).toBeNull();
      expect(value).toEqual(makeMeta(100 + count));
      expect(loader.finished).toBe(true);
      expect(loader.chunks).toEqual(chunks);
    }
    expect(world.counter('snapshots_created_total')).toBe(3);
    expect(world.counter('snapshots_loaded_total')).toBe(3);
  });

  it('takes one chunk a turn of the loop: other work runs in between', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(20);
    let at = 0;
    let turn = 0;
    const turns: number[] = [];
    const source = {
      next: () => {
        turns.push(turn);
        return chunks[at++] ?? null;
      },
    };
    world.loop.afterEvent = () => turn++;
    world.wait((done) => store.write(makeMeta(), source, (error) => done(error, null)));
    expect(turns).toHaveLength(21);
    expect(new Set(turns).size).toBe(21);
  });

  it('C1 E50 killed or cut off at any moment of writing: afterwards the new one is whole or not there', () => {
    let present = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { world, store } = openNode(seed);
      const old = write(world, store, makeMeta(50), makeChunks(3, 9));
      store.write(makeMeta(100), sourceOf(makeChunks(6)), () => undefined);
      world.loop.runUntil(world.loop.now() + seed * 0.15);
      world.endLife(seed % 3 === 0 ? 'kill' : 'power');
      const again = world.checkpoints();
      expect(load(world, again, old).error).toBeNull();
      if (world.disk.names(PLACE).includes('100-4.ckpt')) {
        present++;
        const { error, loader } = load(world, again, { index: 100, term: 4, file: '100-4.ckpt' });
        expect(error).toBeNull();
        expect(loader.chunks).toEqual(makeChunks(6));
      }
      world.do((done) => again.prune(GROUP, [old], done));
      expect(world.disk.names(PLACE)).toEqual(['50-4.ckpt']);
    }
    expect(present).toBeGreaterThan(0);
    expect(present).toBeLessThan(60);
  });

  it('C2 E68 power lost after the write called back: the checkpoint is there, whole', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, store } = openNode(seed);
      const pointer = write(world, store, makeMeta(), makeChunks(4));
      world.endLife('power');
      expect(load(world, world.checkpoints(), pointer).error).toBeNull();
    }
  });

  it('C3 E58 any flipped bit is found before anything is finished; the older checkpoint still loads', () => {
    const { world, store } = openNode();
    const older = write(world, store, makeMeta(50), makeChunks(2, 5));
    const probe = new StorageWorld();
    probe.open();
    const bytes = (() => {
      const probeStore = probe.checkpoints();
      const pointer = write(probe, probeStore, makeMeta(), makeChunks(3));
      return streamOf(probe, probeStore, pointer).bytes;
    })();
    const prng = new Prng(7);
    for (let i = 0; i < 150; i++) {
      const pointer = write(world, store, makeMeta(), makeChunks(3));
      world.disk.corruptFile(`${PLACE}/${pointer.file}`, i < 60 ? i : prng.below(bytes));
      const { error, loader } = load(world, store, pointer);
      expect(error?.code).toBe('DAMAGED_CHECKPOINT');
      expect(loader.finished).toBe(false);
    }
    expect(load(world, store, older).error).toBeNull();
    expect(world.counter('snapshots_failed_total')).toBe(150);
  });

  it('C4 a file that was cut, or has something behind its end, is damaged', () => {
    const { world, store } = openNode();
    const pointer = write(world, store, makeMeta(), makeChunks(2));
    const stream = streamOf(world, store, pointer);
    const whole = world.wait<Uint8Array>((done) => stream.read(0, stream.bytes, done));
    const files = world.disk.files(world.owner);
    for (const bytes of [whole.subarray(0, 5), whole.subarray(0, whole.length - 1), [...whole, 0]]) {
      world.do((done) =>
        files.open(`${PLACE}/${pointer.file}`, 'create', (error, file) => {
          if (error || !file) return done(error);
          file.write(0, Uint8Array.from(bytes), done);
        }),
      );
      expect(load(world, store, pointer).error?.code).toBe('DAMAGED_CHECKPOINT');
    }
  });

  it('C5 E66 a file of another group under this one’s name is refused', () => {
    const { world, store } = openNode();
    const pointer = write(world, store, { ...makeMeta(), group: 9 }, makeChunks(1));
    const files = world.disk.files(world.owner);
    world.do((done) => files.makeFolder(PLACE, done));
    world.do((done) =>
      files.rename(`${FOLDER}/checkpoints/g9/${pointer.file}`, `${PLACE}/${pointer.file}`, done),
    );
    expect(load(world, store, pointer).error?.message).toContain('group 9');
  });

  it('a loader that throws on malformed bytes ends the load, without finish', () => {
    const { world, store } = openNode();
    const pointer = write(world, store, makeMeta(), makeChunks(2));
    const loader = new Loader();
    loader.push = () => {
      throw new Error('malformed');
    };
    const { error } = world.outcome((done) => store.load(GROUP, pointer, loader, done));
    expect(error?.message).toContain('malformed');
    expect(loader.finished).toBe(false);
  });

  it('a full disk fails the write, and leaves no file behind', () => {
    const { world, store } = openNode();
    world.disk.failNext('sync', 'ENOSPC', 3);
    const { error } = world.outcome((done) =>
      store.write(makeMeta(), sourceOf(makeChunks(2)), (e, pointer) => done(e, pointer)),
    );
    expect(error?.code).toBe('ENOSPC');
    expect(world.counter('snapshots_failed_total')).toBe(1);
    expect(world.disk.names(PLACE)).toEqual([]);
  });

  it('C6 a stream is received elsewhere, in any chunks, and loads', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(5);
    const pointer = write(world, store, makeMeta(), chunks);
    const stream = streamOf(world, store, pointer);
    expect(stream.meta).toEqual(makeMeta());
    const { world: far, store: farStore } = openNode(2);
    const receiver = receiverOf(far, farStore, 100, stream.bytes, stream.crc);
    for (let at = 0; at < stream.bytes; at += 700) {
      const bytes = world.wait<Uint8Array>((done) => stream.read(at, 700, done));
      far.do((done) => {
        receiver.write(at, bytes, done);
        bytes.fill(0); // it was copied
      });
    }
    const received = far.wait<CheckpointPointer | null>((done) =>
      receiver.finish((error, value) => done(error, value)),
    ) as CheckpointPointer;
    expect(received).toEqual(pointer);
    far.endLife('power');
    expect(load(far, far.checkpoints(), received).loader.chunks).toEqual(chunks);
  });

  it('C7 E54 chunks lost, repeated, reordered, damaged or too many: refused, nothing gets a name', () => {
    const { world, store } = openNode();
    const pointer = write(world, store, makeMeta(), makeChunks(3));
    const stream = streamOf(world, store, pointer);
    const whole = world.wait<Uint8Array>((done) => stream.read(0, stream.bytes, done));
    const { world: far, store: farStore } = openNode(2);
    const tryChunk = (receiver: CheckpointReceiver, offset: number, bytes: Uint8Array) =>
      far.outcome<void>((done) => receiver.write(offset, bytes, (error) => done(error))).error?.code;
    const tryFinish = (receiver: CheckpointReceiver) =>
      far.outcome<void>((done) => receiver.finish((error) => done(error))).error?.code;

    const receiver = receiverOf(far, farStore, 100, whole.length, stream.crc);
    expect(tryChunk(receiver, 0, whole.subarray(0, 500))).toBeUndefined();
    expect(tryChunk(receiver, 0, whole.subarray(0, 500))).toBe('BAD_TRANSFER');
    expect(tryChunk(receiver, 900, whole.subarray(900, 1000))).toBe('BAD_TRANSFER');
    expect(tryChunk(receiver, 500, whole)).toBe('BAD_TRANSFER');
    expect(tryFinish(receiver)).toBe('BAD_TRANSFER'); // too short

    const flipped = whole.slice();
    flipped[700] = (flipped[700] as number) ^ 1;
    const second = receiverOf(far, farStore, 100, whole.length, stream.crc);
    expect(tryChunk(second, 0, flipped)).toBeUndefined();
    expect(tryFinish(second)).toBe('BAD_TRANSFER');

    const third = receiverOf(far, farStore, 99, whole.length, stream.crc);
    expect(tryChunk(third, 0, whole)).toBeUndefined();
    expect(tryFinish(third)).toBe('BAD_TRANSFER'); // another index than announced

    const fourth = receiverOf(far, farStore, 100, whole.length, stream.crc);
    fourth.abort();
    expect(tryChunk(fourth, 0, whole)).toBe('ABORTED');
    far.settle();
    expect(far.disk.names(PLACE)).toEqual([]);
  });

  it('C8 E59 leftovers of a crash in the middle of a transfer are pruned, what is in use is not', () => {
    const { world, store } = openNode();
    const [a, b, c] = [50, 60, 70].map((index) => write(world, store, makeMeta(index), makeChunks(1)));
    const stream = streamOf(world, store, a as CheckpointPointer);
    const receiver = receiverOf(world, store, 90, 1000, 1);
    world.do((done) => store.prune(GROUP, [b as CheckpointPointer], done));
    // 70 was written after the caller made up its list, tmp-4 is being received, 50 is being streamed.
    expect(world.disk.names(PLACE)).toEqual(['50-4.ckpt', '60-4.ckpt', '70-4.ckpt', 'tmp-4']);
    stream.release();
    stream.release();
    world.do((done) => store.prune(GROUP, [c as CheckpointPointer], done));
    expect(world.disk.names(PLACE)).toEqual(['70-4.ckpt', 'tmp-4']);
    void receiver;
    world.endLife('kill');
    world.do((done) => world.checkpoints().prune(GROUP, [c as CheckpointPointer], done));
    expect(world.disk.names(PLACE)).toEqual(['70-4.ckpt']);
  });

  it('a stream that can not be opened holds nothing', () => {
    const { world, store } = openNode();
    const pointer = write(world, store, makeMeta(), makeChunks(1));
    world.disk.corruptFile(`${PLACE}/${pointer.file}`, 20);
    const outcome = world.outcome((done) => store.openStream(GROUP, pointer, done));
    expect(outcome.error?.code).toBe('DAMAGED_CHECKPOINT');
    world.do((done) => store.prune(GROUP, [{ index: 200, term: 1, file: 'other' }], done));
    expect(world.disk.names(PLACE)).toEqual([]);
  });
});
