/**
 * Bytes of the commands of strings, versions and pages of keys, and their results, pinned: what this program writes must
 * be what is in test/golden/kv-strings-v1.json, and what is there must give the same results and state for ever. The
 * other commands of a shard are in state-v1.json.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createKv, SetFlag, type Kv } from '../../../src/kv/index.js';
import { cmd, encodeEntry, Op } from './kv-driver.js';

const NOW_MS = 1_700_000_000_000;

interface Golden {
  readonly 'kv entries': readonly string[];
  readonly 'kv results': readonly string[];
  readonly 'kv state hash': string;
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/kv-strings-v1.json', import.meta.url), 'utf8'),
) as Golden;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function makeKv(): Kv {
  return createKv({ hashSeed: 2 ** 45 + 99, valueBytesMax: 1024, firstSlot: 100, lastSlot: 200 });
}

/** A command of every op that state-v1.json lacks, most of them plain and with a version. */
function makeEntries(): Uint8Array[] {
  const first = [
    cmd.versioned(cmd.set('a', 'value', { px: 5000 })),
    cmd.cas('a', 1, 'other', { flags: SetFlag.keepTtl }),
    cmd.cas('a', 2 ** 40, 'never', { pxAt: NOW_MS + 9000 }),
    cmd.versioned(cmd.cas('b', 0, '17', { px: 70_000 })),
    cmd.append('a', '-and-more'),
    cmd.versioned(cmd.append('c', '')),
    cmd.setRange('a', 20, 'end'),
    cmd.setRange('d', 0, ''),
    cmd.getEx('a', { px: 2000 }),
    cmd.getEx('b', { persist: true }),
    cmd.versioned(cmd.getEx('a')),
    cmd.getDel('c'),
    cmd.versioned(cmd.getDel('missing')),
    cmd.cad('b', 2 ** 33),
    cmd.versioned(cmd.incrby('b', 1n)),
    cmd.versioned(cmd.incrby('a', 1n)),
    cmd.versioned(cmd.many(Op.del, ['a', 'b'])),
  ];
  const second = [
    cmd.getMeta('a'),
    cmd.versioned(cmd.get('b')),
    cmd.getMeta('missing'),
    cmd.strlen('a'),
    cmd.getRange('a', -3n, -1n),
    cmd.getRange('a', 0n, 2n ** 62n),
    cmd.expireTime('a'),
    cmd.expireTime('b'),
    cmd.scan(0, 1),
    cmd.scan(0, 100, '[a-c]*'),
    cmd.scan(2 ** 31, 100, null),
    cmd.randomKey(2 ** 32 - 1),
    cmd.cad('b', 7),
    cmd.cad('b', 0),
  ];
  return [encodeEntry(NOW_MS, first), encodeEntry(NOW_MS + 1000, second)];
}

function resultsOf(kv: Kv, entries: readonly Uint8Array[]): string[] {
  const results: string[] = [];
  entries.forEach((entry, i) =>
    kv.apply(i + 1, 1, entry, {
      onResult: (_position, bytes, start, end) => void results.push(hex(bytes.slice(start, end))),
    }),
  );
  return results;
}

describe('bytes of the commands of strings, versions and pages of keys, version 1', () => {
  it('are what this program writes', () => {
    expect(makeEntries().map(hex)).toEqual(golden['kv entries']);
  });

  it('are readable: they give the same results and state', () => {
    const kv = makeKv();
    const entries = golden['kv entries'].map((entry) => Uint8Array.from(Buffer.from(entry, 'hex')));
    expect(resultsOf(kv, entries)).toEqual(golden['kv results']);
    expect(kv.stateHash()).toBe(golden['kv state hash']);
  });
});

// Layout by hand, so that a sample made by the code under test is not the only witness.
describe('the layout of a command', () => {
  it('is op, flags, namespace and type, then the operands in the documented order', () => {
    expect(hex(cmd.versioned(cmd.cas('k', 5, 'vv', { px: 9 })))).toBe(
      '47020000' + '0000000000000005' + '00' + '01' + '0000000000000009' + '00016b' + '000000027676',
    );
    expect(hex(cmd.cad('k', 5))).toBe('48000000' + '0000000000000005' + '00016b');
    expect(hex(cmd.append('k', 'v'))).toBe('49000000' + '00016b' + '0000000176');
    expect(hex(cmd.setRange('k', 258, 'v'))).toBe('4a000000' + '00000102' + '00016b' + '0000000176');
    expect(hex(cmd.getDel('k'))).toBe('4b000000' + '00016b');
    expect(hex(cmd.getEx('k', { persist: true }))).toBe('4c000000' + '00' + '0'.repeat(16) + '01' + '00016b');
    expect(hex(cmd.getMeta('k'))).toBe('07000000' + '00016b');
    expect(hex(cmd.strlen('k'))).toBe('08000000' + '00016b');
    expect(hex(cmd.getRange('k', 1n, -1n))).toBe('09000000' + '0000000000000001' + 'f'.repeat(16) + '00016b');
    expect(hex(cmd.expireTime('k'))).toBe('0a000000' + '00016b');
    expect(hex(cmd.scan(2 ** 31, 10, 'k*'))).toBe('0b000000' + '80000000' + '0000000a' + '01' + '00026b2a');
    expect(hex(cmd.scan(1, 2))).toBe('0b000000' + '00000001' + '00000002' + '00' + '0000');
    expect(hex(cmd.randomKey(7))).toBe('0c000000' + '00000007');
  });
});
