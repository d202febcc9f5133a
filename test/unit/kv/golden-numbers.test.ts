/**
 * Bytes of INCRBYFLOAT and of marks, pinned as in golden.test.ts: what this program writes must be what is in
 * test/golden/kv-numbers-v1.json, and what is there must give the same results and state for ever.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createKv } from '../../../src/kv/index.js';
import { cmd, DEFAULTS, encodeEntry } from './kv-driver.js';

const NOW_MS = 1_700_000_000_000;

interface Golden {
  readonly 'kv entries': readonly string[];
  readonly 'kv results': readonly string[];
  readonly 'kv state hash': string;
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/kv-numbers-v1.json', import.meta.url), 'utf8'),
) as Golden;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function makeEntries(): Uint8Array[] {
  const first = [
    cmd.incrByFloat('f', '0.1'),
    cmd.versioned(cmd.incrByFloat('f', '+2e-1')),
    cmd.set('rounded', '12345678901234567'),
    cmd.incrByFloat('rounded', '.5'),
    cmd.set('long', '1e300'),
    cmd.incrByFloat('long', '-1e-17'),
    cmd.set('text', 'text'),
    cmd.incrByFloat('text', '1'),
    cmd.incrByFloat('f', '1e309'),
    cmd.mark(),
  ];
  return [
    encodeEntry(NOW_MS, first),
    encodeEntry(NOW_MS + 5, [cmd.mark(), cmd.incrByFloat('f', '-0.30000000000000001')]),
  ];
}

function applied(entries: readonly Uint8Array[]): { results: string[]; hash: string } {
  const kv = createKv(DEFAULTS);
  const results: string[] = [];
  entries.forEach((entry, i) =>
    kv.apply(i + 1, 1, entry, {
      onResult: (_position, bytes, start, end) => void results.push(hex(bytes.slice(start, end))),
    }),
  );
  return { results, hash: kv.stateHash() };
}

it('E93 the bytes are what this program writes', () => {
  const entries = makeEntries();
  const { results, hash } = applied(entries);
  expect({ 'kv entries': entries.map(hex), 'kv results': results, 'kv state hash': hash }).toEqual(golden);
});

it('E93 the bytes are readable: they give the same results and state', () => {
  const { results, hash } = applied(
    golden['kv entries'].map((entry) => Uint8Array.from(Buffer.from(entry, 'hex'))),
  );
  expect([results, hash]).toEqual([golden['kv results'], golden['kv state hash']]);
});
