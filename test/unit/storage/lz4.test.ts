import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MetricsRegistry, Prng } from '../../../src/base/index.js';
import { crc32 } from '../../../src/adapters/crc32.js';
import { lz4Compressor } from '../../../src/adapters/lz4.js';
import { nodeFiles } from '../../../src/adapters/node-files.js';
import { openCheckpoints } from '../../../src/storage/index.js';
import { CONFIGURATION, StorageWorld } from './harness.js';

const hasTool = spawnSync('lz4', ['--version']).status === 0;
const NO_TOOL = 'needs the lz4 tool (Debian: apt-get install lz4)';

function sample(prng: Prng, bytes: number): Uint8Array {
  const letters = prng.pick([1, 2, 16, 256]);
  return Uint8Array.from({ length: bytes }, () => prng.below(letters));
}

describe('LZ4', () => {
  it('gives back what was compressed, at every size around its limits', () => {
    const prng = new Prng(1);
    for (const bytes of [0, 1, 12, 13, 14, 100, 65535, 65536, 65537, 300_000, 4_200_000]) {
      const plain = sample(prng, bytes);
      const packed = lz4Compressor.compress(plain);
      expect(Buffer.compare(lz4Compressor.decompress(packed, bytes), plain)).toBe(0);
    }
  });

  it('E54 throws on another length than expected, and on every frame that ends early', () => {
    const plain = sample(new Prng(2), 5_000);
    const packed = lz4Compressor.compress(plain);
    expect(() => lz4Compressor.decompress(packed, 4_999)).toThrow(/more than 4999/);
    expect(() => lz4Compressor.decompress(packed, 5_001)).toThrow(/expected 5001/);
    for (let length = 0; length < packed.length; length++) {
      expect(() => lz4Compressor.decompress(packed.subarray(0, length), 5_000)).toThrow();
    }
  });

  it('E54 ends on any damaged frame: an error or bytes of the expected length, never more', () => {
    const prng = new Prng(3);
    for (let i = 0; i < 2_000; i++) {
      const plain = sample(prng, 1 + prng.below(2_000));
      const packed = lz4Compressor.compress(plain);
      const at = prng.below(packed.length);
      packed[at] = (packed[at] as number) ^ (1 << prng.below(8));
      try {
        expect(lz4Compressor.decompress(packed, plain.length).length).toBe(plain.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/LZ4/);
      }
    }
  });

  it('reads what the lz4 tool wrote, with its checksums and sizes', (context) => {
    if (!hasTool) context.skip(NO_TOOL);
    const plain = sample(new Prng(4), 200_000);
    for (const flags of [[], ['--content-size'], ['-BX'], ['--no-frame-crc'], ['-B4', '-BI']]) {
      const packed = spawnSync('lz4', ['-c', ...flags], { input: plain, maxBuffer: 1e7 }).stdout;
      expect(Buffer.compare(lz4Compressor.decompress(packed, plain.length), plain)).toBe(0);
    }
  });

  it('a whole checkpoint file is readable by the lz4 tool', async (context) => {
    if (!hasTool) context.skip(NO_TOOL);
    const folder = mkdtempSync(join(tmpdir(), 'quorate-lz4-'));
    const world = new StorageWorld();
    const timers = { after: () => () => undefined, soon: (run: () => void) => void setImmediate(run) };
    const store = openCheckpoints({
      ...world.ports,
      metrics: new MetricsRegistry(),
      folder,
      files: nodeFiles,
      timers,
      crc32,
    });
    const chunks = [sample(new Prng(5), 70_000), sample(new Prng(6), 100), sample(new Prng(7), 260_000)];
    let at = 0;
    const meta = { group: 1, index: 9, term: 2, configuration: CONFIGURATION, stateHash: 'ff' };
    const source = { next: () => chunks[at++] ?? null, release: () => undefined };
    await new Promise<void>((resolve, reject) =>
      store.write(meta, source, (error) => (error ? reject(error) : resolve())),
    );
    const read = spawnSync('lz4', ['-d', '-c', `${folder}/checkpoints/g1/9-2.ckpt`], { maxBuffer: 1e7 });
    rmSync(folder, { recursive: true, force: true });
    expect(read.status).toBe(0);
    expect(Buffer.compare(read.stdout, Buffer.concat(chunks))).toBe(0);
  });
});
