/** Clock, timers, entropy and the reasons why a process ends. */
import { describe, expect, it } from 'vitest';

import { crc32 } from '../../../src/adapters/crc32.js';
import { systemClock } from '../../../src/adapters/clock.js';
import { createSystemEntropy } from '../../../src/adapters/entropy.js';
import { fatalReasonOf } from '../../../src/adapters/process-end.js';
import { systemTimers } from '../../../src/adapters/timers.js';
import { QuorateError } from '../../../src/base/index.js';

describe('entropy', () => {
  it('is uniform below a limit, and refuses limits that make no sense', () => {
    const entropy = createSystemEntropy();
    const counts = [0, 0, 0];
    for (let i = 0; i < 3000; i++) {
      const value = entropy.below(3);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(800);
    expect(() => entropy.below(0)).toThrow(/limit 0/);
    expect(() => entropy.below(2 ** 32 + 1)).toThrow(/limit/);
  });

  it('gives bytes of its own each time', () => {
    const entropy = createSystemEntropy();
    expect(entropy.bytes(16)).toHaveLength(16);
    expect(entropy.bytes(16)).not.toEqual(entropy.bytes(16));
  });
});

describe('crc32', () => {
  it('is left as it was by no bytes, wherever those lie', () => {
    const looked = new Uint8Array(0);
    expect(looked.buffer.byteLength).toBe(0); // from here on it has no memory
    const empties = [
      new Uint8Array(0),
      looked,
      new Uint8Array(new ArrayBuffer(0)),
      new Uint8Array(9).subarray(9),
    ];
    for (const empty of empties) {
      expect(crc32(empty)).toBe(0);
      for (const seed of [1, 6, 0xffff_ffff]) expect(crc32(empty, seed)).toBe(seed);
    }
  });

  it('goes on where another left off', () => {
    const bytes = new TextEncoder().encode('123456789');
    expect(crc32(bytes)).toBe(0xcbf43926);
    expect(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4)))).toBe(0xcbf43926);
  });
});

describe('timers', () => {
  it('run once, never inside the call, and not when cancelled', async () => {
    const ran: string[] = [];
    await new Promise<void>((resolve) => {
      const cancel = systemTimers.after(0, () => ran.push('cancelled'));
      systemTimers.after(-5, () => ran.push('after'));
      systemTimers.soon(() => ran.push('soon'));
      systemTimers.after(20, resolve);
      systemTimers.after(2 ** 40, () => ran.push('far'))();
      cancel();
      cancel();
      expect(ran).toEqual([]);
    });
    expect(ran.sort()).toEqual(['after', 'soon']);
  });

  it('keep to the monotonic clock', async () => {
    const startMs = systemClock.monoMs();
    await new Promise<void>((resolve) => void systemTimers.after(10, resolve));
    expect(systemClock.monoMs() - startMs).toBeGreaterThanOrEqual(9);
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000);
  });
});

describe('the reason of a failed start', () => {
  const coded = (code: string, extra = {}): Error => Object.assign(new Error(code), { code, ...extra });
  it('is found by code, through causes', () => {
    expect(fatalReasonOf(coded('EADDRINUSE'))).toBe('port_in_use');
    expect(fatalReasonOf(coded('EACCES', { syscall: 'listen' }))).toBe('port_in_use');
    expect(fatalReasonOf(coded('EACCES', { syscall: 'open' }))).toBe('refused');
    expect(fatalReasonOf(coded('LOCKED'))).toBe('refused');
    expect(fatalReasonOf(new QuorateError('WRONG_CLUSTER', 'x'))).toBe('refused');
    expect(fatalReasonOf(coded('ENOSPC'))).toBe('disk');
    expect(fatalReasonOf(new Error('wrapped', { cause: coded('EADDRINUSE') }))).toBe('port_in_use');
    expect(fatalReasonOf(new Error('whatever'))).toBe('internal');
  });
});
