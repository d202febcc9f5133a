/** Checkpoint files: rows C1 to C8 of docs/formats.md, and the rows of EDGE-CASES that speak of them. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import type { SnapshotLoader, SnapshotSource } from '../../../src/ports/index.js';
import {
  openCheckpoints,
  type CheckpointMeta,
  type CheckpointPointer,
  type CheckpointReceiver,
  type CheckpointStore,
  type CheckpointStream,
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
  return { next: () => chunks[at++] ?? null, release: () => undefined };
}

class Loader implements SnapshotLoader {
  chunks: Uint8Array[] = [];
  finished = false;
  dropped = false;
  push(chunk: Uint8Array): void {
    this.chunks.push(chunk.slice());
  }
  finish(): void {
    this.finished = true;
  }
  drop(): void {
    this.dropped = true;
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
    store.receive({ group: GROUP, from: 31, index, term: 4, bytes, crc }, done),
  ) as CheckpointReceiver;
}

/** Everything that a stream gives. */
function bytesOf(world: StorageWorld, stream: CheckpointStream): Uint8Array {
  return world.wait<Uint8Array>((done) => stream.read(0, stream.bytes, done));
}

function suspend(world: StorageWorld, receiver: CheckpointReceiver): void {
  receiver.suspend();
  world.settle();
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

  it('takes a chunk a turn of the loop, a few at most when turns are long: other work runs in between', () => {
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
      release: () => undefined,
    };
    world.loop.afterEvent = () => turn++;
    world.wait((done) => store.write(makeMeta(), source, (error) => done(error, null)));
    expect(turns).toHaveLength(21);
    const inOneTurn = (one: number): number => turns.filter((other) => other === one).length;
    expect(Math.max(...turns.map(inOneTurn))).toBeLessThanOrEqual(4);
  });

  it('keeps its rate when turns of the loop are long, and is still bounded in each', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(12);
    let at = 0;
    const turns: number[] = [];
    const soon = (run: () => void): void => void world.loop.schedule(world.owner, 1000, run);
    const source = {
      next: () => {
        turns.push(world.loop.now());
        return chunks[at++] ?? null;
      },
      release: () => undefined,
    };
    const slow = openCheckpoints({ ...world.ports, timers: { ...world.timers, soon }, chunkBytes: 1024 });
    world.wait((done) => slow.write(makeMeta(), source, (error) => done(error, null)));
    const counts = turns.map((one) => turns.filter((other) => other === one).length);
    expect(Math.max(...counts)).toBe(4);
    const pointer = { index: 100, term: 4, file: '100-4.ckpt' };
    expect(load(world, store, pointer).loader.chunks).toEqual(chunks);
  });

  it('takes more a turn from a source that is pressed, and is bounded then, too', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(60);
    let at = 0;
    let turn = 0;
    const turns: number[] = [];
    const source = {
      get isPressed() {
        return at >= 10;
      },
      next: () => {
        turns.push(turn);
        return chunks[at++] ?? null;
      },
      release: () => undefined,
    };
    world.loop.afterEvent = () => turn++;
    world.wait((done) => store.write(makeMeta(), source, (error) => done(error, null)));
    const counts = turns.map((one) => turns.filter((other) => other === one).length);
    expect(Math.max(...counts.slice(0, 8))).toBeLessThanOrEqual(4);
    expect(Math.max(...counts)).toBe(16);
  });

  it('a source that throws while bytes are being written fails the write once, and closes the file after them', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(5);
    let at = 0;
    const source = {
      next: () => {
        if (at === 4) throw new Error('no more of this');
        return chunks[at++] ?? null;
      },
      release: () => undefined,
    };
    const { error } = world.outcome((done) => store.write(makeMeta(), source, (e) => done(e, null)));
    expect(error?.message).toBe('no more of this');
    world.settle();
    expect(world.disk.names(PLACE)).toEqual([]);
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
    const cases = [
      [whole.subarray(0, 5), 'TRUNCATED_CHECKPOINT'],
      [whole.subarray(0, whole.length - 1), 'TRUNCATED_CHECKPOINT'],
      [[...whole, 0], 'DAMAGED_CHECKPOINT'],
    ] as const;
    for (const [bytes, code] of cases) {
      world.do((done) =>
        files.open(`${PLACE}/${pointer.file}`, 'create', (error, file) => {
          if (error || !file) return done(error);
          file.write(0, Uint8Array.from(bytes), done);
        }),
      );
      expect(load(world, store, pointer).error?.code).toBe(code);
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
    let released = 0;
    const source = { ...sourceOf(makeChunks(2)), release: () => void released++ };
    const { error } = world.outcome((done) =>
      store.write(makeMeta(), source, (e, pointer) => done(e, pointer)),
    );
    expect(error?.code).toBe('ENOSPC');
    expect(released, 'the frozen state is let go').toBe(1);
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
    expect(second.position).toBe(0); // what is complete and wrong is not gone on with
    expect(tryChunk(second, 0, flipped)).toBeUndefined();
    expect(tryFinish(second)).toBe('BAD_TRANSFER');

    const third = receiverOf(far, farStore, 99, whole.length, stream.crc);
    expect(tryChunk(third, 0, whole)).toBeUndefined();
    expect(tryFinish(third)).toBe('BAD_TRANSFER'); // another index than announced

    const fourth = receiverOf(far, farStore, 100, whole.length, stream.crc);
    fourth.suspend();
    expect(tryChunk(fourth, 0, whole)).toBe('ABORTED');
    expect(far.counter('snapshots_failed_total')).toBe(3); // what broke off did not fail
    far.do((done) => farStore.prune(GROUP, [{ index: 100, term: 4, file: '100-4.ckpt' }], done));
    expect(far.disk.names(PLACE)).toEqual([]);
  });

  it('C10 what nobody will want goes at once: of a replica that is removed, and with nothing to keep', () => {
    const { world, store } = openNode();
    const first = receiverOf(world, store, 100, 1000, 1);
    first.write(0, new Uint8Array(10), () => undefined);
    first.discard(); // while its write is under way
    world.settle();
    expect(world.disk.names(PLACE)).toEqual([]);
    suspend(world, receiverOf(world, store, 101, 1000, 1));
    expect(world.disk.names(PLACE)).toHaveLength(1);
    world.do((done) => store.prune(GROUP, [], done));
    expect(world.disk.names(PLACE)).toEqual([]);
    expect(world.counter('snapshots_failed_total')).toBe(0);
  });

  it('C9 E59 a transfer that broke off goes on behind the last whole frame, also after a crash', () => {
    const { world, store } = openNode();
    const chunks = makeChunks(12);
    const stream = streamOf(world, store, write(world, store, makeMeta(), chunks));
    const whole = bytesOf(world, stream);
    let resumed = 0;
    for (let seed = 1; seed <= 24; seed++) {
      const { world: far, store: farStore } = openNode(seed);
      const upTo = Math.floor((whole.length * seed) / 24);
      const receiver = receiverOf(far, farStore, 100, whole.length, stream.crc);
      far.do((done) => receiver.write(0, whole.subarray(0, upTo), done));
      let again = farStore;
      if (seed % 4 === 0) {
        suspend(far, receiver);
      } else {
        far.endLife(seed % 4 === 1 ? 'power' : 'kill');
        again = far.checkpoints();
        const older = { index: 7, term: 1, file: '7-1.ckpt' };
        far.do((done) => again.prune(GROUP, [older], done)); // as a start does
      }
      const second = receiverOf(far, again, 100, whole.length, stream.crc);
      const { position } = second;
      expect(position).toBeLessThanOrEqual(upTo);
      expect(position).toBeLessThan(whole.length);
      if (seed % 4 !== 1) expect(position).toBeGreaterThan(upTo - 1500); // a frame is about 1 KiB
      if (position > 0) resumed++;
      far.do((done) => second.write(position, whole.subarray(position), done));
      const pointer = far.wait<CheckpointPointer | null>((done) =>
        second.finish((error, value) => done(error, value)),
      ) as CheckpointPointer;
      expect(load(far, again, pointer).loader.chunks).toEqual(chunks);
      expect(far.disk.names(PLACE)).toEqual(['100-4.ckpt']);
    }
    expect(resumed).toBeGreaterThan(15);
  });

  it('C9 E54 what was damaged meanwhile is not gone on with: the transfer begins before it', () => {
    const { world, store } = openNode();
    const stream = streamOf(world, store, write(world, store, makeMeta(), makeChunks(8)));
    const whole = bytesOf(world, stream);
    const prng = new Prng(3);
    for (let i = 0; i < 40; i++) {
      const { world: far, store: farStore } = openNode(i + 1);
      const receiver = receiverOf(far, farStore, 100, whole.length, stream.crc);
      far.do((done) => receiver.write(0, whole.subarray(0, 6000), done));
      suspend(far, receiver);
      const [name] = far.disk.names(PLACE);
      const at = prng.below(6000);
      far.disk.corruptFile(`${PLACE}/${name}`, at);
      const second = receiverOf(far, farStore, 100, whole.length, stream.crc);
      expect(second.position).toBeLessThanOrEqual(at);
      far.do((done) => second.write(second.position, whole.subarray(second.position), done));
      far.do((done) => second.finish((error) => done(error)));
    }
  });

  it('C10 E59 of broken transfers one per group stays, the newest, and none for ever', () => {
    const { world, store } = openNode();
    const stream = streamOf(world, store, write(world, store, makeMeta(), makeChunks(4)));
    const whole = bytesOf(world, stream);
    const { world: far, store: farStore } = openNode(2);
    const begin = (index: number, crc = stream.crc): CheckpointReceiver => {
      const receiver = receiverOf(far, farStore, index, whole.length, crc);
      far.do((done) => receiver.write(receiver.position, whole.subarray(0, 1000), done));
      return receiver;
    };
    suspend(far, begin(100));
    expect(far.disk.names(PLACE)).toHaveLength(1);
    const other = begin(101); // another file: the first one's beginning goes
    expect(other.position).toBe(1000);
    suspend(far, other);
    expect(far.disk.names(PLACE)).toEqual([expect.stringMatching(/^part-31-101-4-/)]);
    far.do((done) => farStore.prune(GROUP, [{ index: 90, term: 4, file: '90-4.ckpt' }], done));
    expect(far.disk.names(PLACE)).toHaveLength(1); // newer than every checkpoint: it may go on
    far.settle(16 * 60_000);
    farStore.dropOldPartials();
    far.settle();
    expect(far.disk.names(PLACE)).toEqual([]);
    suspend(far, begin(102));
    far.do((done) => farStore.prune(GROUP, [{ index: 102, term: 4, file: '102-4.ckpt' }], done));
    expect(far.disk.names(PLACE)).toEqual([]); // a checkpoint reaches as far
  });

  it('C10 a node keeps the beginnings of sixteen transfers, and drops the oldest', () => {
    const { world, store } = openNode();
    for (let group = 1; group <= 20; group++) {
      const receiver = world.wait<CheckpointReceiver | null>((done) =>
        store.receive({ group, from: 31, index: 5, term: 1, bytes: 900, crc: 7 }, done),
      ) as CheckpointReceiver;
      world.do((done) => receiver.write(0, new Uint8Array(10), done));
      suspend(world, receiver);
    }
    const left = Array.from({ length: 20 }, (_, i) => i + 1).filter(
      (group) => world.disk.names(`${FOLDER}/checkpoints/g${group}`).length > 0,
    );
    expect(left).toEqual(Array.from({ length: 16 }, (_, i) => i + 5));
  });

  it('C9 a second transfer of a group waits until the first let go of its file; a third takes its place', () => {
    const { world, store } = openNode();
    const stream = streamOf(world, store, write(world, store, makeMeta(), makeChunks(6)));
    const whole = bytesOf(world, stream);
    const { world: far, store: farStore } = openNode(2);
    const first = receiverOf(far, farStore, 100, whole.length, stream.crc);
    const transfer = { group: GROUP, from: 31, index: 100, term: 4, bytes: whole.length, crc: stream.crc };
    const outcomes: (string | number)[] = [];
    const ask = (): void =>
      farStore.receive(transfer, (error, receiver) =>
        outcomes.push(error?.message ?? receiver?.position ?? -1),
      );
    first.write(0, whole.subarray(0, 3000), () => undefined);
    ask();
    ask();
    first.suspend(); // while its write is under way
    far.settle();
    expect(outcomes).toEqual([expect.stringContaining('took its place'), expect.any(Number)]);
    expect(outcomes[1]).toBeGreaterThan(1000);
  });

  it('C8 E59 leftovers of a crash in the middle of a transfer are pruned, what is in use is not', () => {
    const { world, store } = openNode();
    const [a, b, c] = [50, 60, 70].map((index) => write(world, store, makeMeta(index), makeChunks(1)));
    const stream = streamOf(world, store, a as CheckpointPointer);
    const receiver = receiverOf(world, store, 90, 1000, 1);
    world.do((done) => store.prune(GROUP, [b as CheckpointPointer], done));
    // 70 was written after the caller made up its list, the last is being received, 50 is being streamed.
    const part = 'part-31-90-4-1000-00000001';
    expect(world.disk.names(PLACE)).toEqual(['50-4.ckpt', '60-4.ckpt', '70-4.ckpt', part]);
    stream.release();
    stream.release();
    world.do((done) => store.prune(GROUP, [c as CheckpointPointer], done));
    expect(world.disk.names(PLACE)).toEqual(['70-4.ckpt', part]);
    void receiver;
    store.write(makeMeta(95), sourceOf(makeChunks(9)), () => undefined);
    world.settle(1);
    world.endLife('kill');
    const again = world.checkpoints();
    world.do((done) => again.prune(GROUP, [c as CheckpointPointer], done));
    // A file that was being written is gone, the beginning of one that was being received may go on.
    expect(world.disk.names(PLACE)).toEqual(['70-4.ckpt', part]);
    world.settle(16 * 60_000);
    again.dropOldPartials();
    world.settle();
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
