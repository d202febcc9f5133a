/** Reads count only if ReadIndex rounds covered them: the proof must fail for servers that answer without asking. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readCountersOf, whyReadsDontCount } from '../../../scripts/bench/read-proof.js';

const ZERO = { confirmed: 0, rounds: 0, inLog: 0 };

describe('reads', () => {
  it('count when each was confirmed and there were rounds enough', () => {
    expect(whyReadsDontCount(ZERO, { confirmed: 1000, rounds: 100, inLog: 0 }, 1000, 64)).toBeNull();
    expect(
      whyReadsDontCount(
        { confirmed: 500, rounds: 40, inLog: 0 },
        { confirmed: 1500, rounds: 56, inLog: 0 },
        1000,
        64,
      ),
    ).toBeNull();
  });

  it('are refused when one was not confirmed', () => {
    expect(whyReadsDontCount(ZERO, { confirmed: 999, rounds: 999, inLog: 0 }, 1000, 64)).toBe(
      'not linearizable: 999 of 1000 reads were confirmed by a ReadIndex round',
    );
  });

  it('are refused when the confirmations are those of an earlier run', () => {
    const before = { confirmed: 5000, rounds: 500, inLog: 0 };
    expect(whyReadsDontCount(before, before, 1000, 64)).toContain('0 of 1000');
  });

  it('are refused when fewer rounds ran than the open reads allow', () => {
    expect(whyReadsDontCount(ZERO, { confirmed: 1000, rounds: 15, inLog: 0 }, 1000, 64)).toContain(
      'at least 16',
    );
    expect(whyReadsDontCount(ZERO, { confirmed: 1000, rounds: 0, inLog: 0 }, 1000, Infinity)).toContain(
      'at least 1',
    );
  });

  it('that rode in the log need no round, and excuse no other read', () => {
    const after = { confirmed: 40, rounds: 4, inLog: 960 };
    expect(whyReadsDontCount(ZERO, after, 1000, 64)).toBeNull();
    expect(whyReadsDontCount(ZERO, { ...after, inLog: 959 }, 1000, 64)).toContain('40 of 41');
    expect(whyReadsDontCount({ ...ZERO, inLog: 960 }, after, 1000, 64)).toContain('40 of 1000');
    expect(whyReadsDontCount(ZERO, { confirmed: 40, rounds: 0, inLog: 960 }, 1000, 64)).toContain(
      'at least 1',
    );
  });

  it('that nobody made need no rounds', () => {
    expect(whyReadsDontCount(ZERO, ZERO, 0, 64)).toBeNull();
  });

  it('of an honest server always count, however its rounds were filled', () => {
    const fills = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fills, (filled) => {
        const reads = filled.reduce((sum, count) => sum + count, 0);
        expect(
          whyReadsDontCount(ZERO, { confirmed: reads, rounds: filled.length, inLog: 0 }, reads, 64),
        ).toBeNull();
      }),
    );
  });
});

describe('the counters', () => {
  const page = (reads: number, rounds: number): string =>
    `quorate_raft_read_index_total ${reads}\n` +
    'quorate_raft_reads_in_log_total 7\n' +
    `quorate_raft_read_index_latency_seconds_bucket{le="0.1"} 99\n` +
    `quorate_raft_read_index_latency_seconds_count ${rounds}\n`;

  it('are summed over the nodes', () => {
    expect(readCountersOf([page(3, 2), page(10, 4)])).toEqual({ confirmed: 13, rounds: 6, inLog: 14 });
  });

  it('must be there: a server without them proves nothing', () => {
    expect(() => readCountersOf([page(3, 2), 'quorate_ready 1\n'])).toThrow('not linearizable');
  });
});
