/** Clock, timers, entropy and the reasons why a process ends. */
import { describe, expect, it } from 'vitest';

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
