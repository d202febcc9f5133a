/**
 * Bytes on disk, pinned: what this program writes must be what is in test/golden/disk-v1.json, and what is there
 * must be readable for ever. A change of a layout is a new version byte and a new golden file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/adapters/crc32.js';
import { lz4Compressor } from '../../../src/adapters/lz4.js';
import {
  decodeWatermarkSlot,
  encodeCheckpointFooter,
  encodeCheckpointHeader,
  encodeFrameSection,
  encodeWatermarkSlot,
  NODE_GROUP,
  readRecordKey,
  RecordKind,
  RecordReader,
  RecordWriter,
  type RecordKey,
} from '../../../src/codec/index.js';
import type { SnapshotLoader } from '../../../src/ports/index.js';
import type { CheckpointMeta } from '../../../src/storage/index.js';
import { CONFIGURATION, FOLDER, StorageWorld } from './harness.js';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/disk-v1.json', import.meta.url), 'utf8'),
) as Record<string, string>;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text ?? '', 'hex'));

const ENTRY = { index: 2 ** 40 + 5, term: 2 ** 33, kind: 1, data: Uint8Array.of(1, 2, 3) } as const;
const META = { group: 3, index: 100, term: 4, configuration: CONFIGURATION, stateHash: '0123456789abcdef' };
const PLAIN = new TextEncoder().encode('a checkpoint, a checkpoint, a checkpoint and its plain bytes');
const SLOT_HEX = 'watermark slot';

/** Every kind of record, by name. */
function samples(): Record<string, string> {
  const w = new RecordWriter(crc32);
  const found: Record<string, string> = {};
  const take = (name: string): void => void (found[name] = `${hex(w.key)} ${hex(w.value)}`);
  w.replica(1, 11);
  take('replica');
  w.hardState(1, { term: 7, vote: 2, commit: 2 ** 40 });
  take('hard state');
  w.configuration(1, 9, CONFIGURATION);
  take('configuration');
  w.truncation(1, 5, 2);
  take('truncation point');
  w.checkpoint(1, 1, { index: 5, term: 2, file: '5-2.ckpt' });
  take('checkpoint pointer');
  w.tombstone(1, 10);
  take('tombstone');
  w.suspect(1, 'the reason');
  take('suspect');
  w.entry(1, ENTRY);
  take('entry');
  w.nodeValue('identity', Uint8Array.of(9, 8));
  take('node value');
  w.lowMark(12);
  take('low mark');
  w.batchNumber(13);
  take('batch number');
  found[SLOT_HEX] = hex(encodeWatermarkSlot(2 ** 35 + 1, crc32));
  found['checkpoint file'] = hex(checkpointFile());
  return found;
}

function checkpointFile(): Uint8Array {
  const packed = lz4Compressor.compress(PLAIN);
  const header = encodeCheckpointHeader(META, crc32);
  const section = encodeFrameSection(0, packed, PLAIN, crc32);
  const before = Buffer.concat([header, section, packed]);
  return Buffer.concat([before, encodeCheckpointFooter(1, PLAIN.length, crc32(before), crc32)]);
}

describe('bytes on disk, version 1', () => {
  it('are what this program writes', () => {
    expect(samples()).toEqual(golden);
  });

  it('are readable: every record', () => {
    const r = new RecordReader(crc32);
    const at: RecordKey = { group: 0, kind: 0, index: 0 };
    const read = <T>(name: string, decode: (key: Uint8Array, value: Uint8Array) => T): T => {
      const [key, value] = (golden[name] ?? '').split(' ').map((part) => unhex(part));
      expect(readRecordKey(key as Uint8Array, at)).toBe(true);
      return decode(key as Uint8Array, value as Uint8Array);
    };
    expect(read('replica', (k, v) => r.replica(k, v))).toBe(11);
    expect(read('hard state', (k, v) => r.hardState(k, v))).toEqual({ term: 7, vote: 2, commit: 2 ** 40 });
    expect(read('configuration', (k, v) => r.configuration(k, v))).toEqual({
      index: 9,
      configuration: CONFIGURATION,
    });
    expect(read('truncation point', (k, v) => r.truncation(k, v))).toEqual({ index: 5, term: 2 });
    expect(read('checkpoint pointer', (k, v) => r.checkpoint(k, v))?.file).toBe('5-2.ckpt');
    expect(at.index).toBe(1);
    expect(read('tombstone', (k, v) => r.tombstone(k, v))).toBe(10);
    expect(read('suspect', (k, v) => r.suspect(k, v))).toBe('the reason');
    expect(read('entry', (k, v) => r.entry(k, v, at.index))).toEqual(ENTRY);
    expect(read('node value', (k, v) => r.nodeValue(k, v))?.name).toBe('identity');
    expect(read('low mark', (k, v) => r.lowMark(k, v))).toBe(12);
    expect(read('batch number', (k, v) => r.isWhole(k, v))).toBe(true);
    expect(at).toEqual({ group: NODE_GROUP, kind: RecordKind.batchNumber, index: 13 });
    expect(decodeWatermarkSlot(unhex(golden[SLOT_HEX]), 0, crc32)).toBe(2 ** 35 + 1);
  });

  it('are readable: a whole checkpoint', () => {
    const world = new StorageWorld();
    const folder = `${FOLDER}/checkpoints/g3`;
    const files = world.disk.files(world.owner);
    world.do((done) => files.makeFolder(folder, done));
    world.do((done) =>
      files.open(`${folder}/100-4.ckpt`, 'create', (error, file) => {
        if (error || !file) return done(error);
        file.write(0, unhex(golden['checkpoint file']), done);
      }),
    );
    const chunks: Uint8Array[] = [];
    const loader: SnapshotLoader = {
      push: (chunk) => void chunks.push(chunk),
      finish: () => undefined,
      drop: () => undefined,
    };
    const meta = world.wait<CheckpointMeta | null>((done) =>
      world.checkpoints().load(3, { index: 100, term: 4, file: '100-4.ckpt' }, loader, done),
    );
    expect(meta).toEqual(META);
    expect(chunks).toEqual([PLAIN]);
  });

  it('any flipped bit of a record, key included, is damage', () => {
    const r = new RecordReader(crc32);
    for (const [name, text] of Object.entries(golden)) {
      const [key, value] = text.split(' ').map((part) => unhex(part));
      if (!key || !value) continue;
      for (let bit = 0; bit < (key.length + value.length) * 8; bit++) {
        const flipped = [key.slice(), value.slice()] as [Uint8Array, Uint8Array];
        const inKey = bit < key.length * 8;
        const part = inKey ? flipped[0] : flipped[1];
        const at = (bit >> 3) - (inKey ? 0 : key.length);
        part[at] = (part[at] as number) ^ (1 << (bit & 7));
        expect(r.isWhole(flipped[0], flipped[1]), `${name} bit ${bit}`).toBe(false);
      }
    }
  });
});
