/**
 * Bytes of writes under sessions, of a raised cluster version, and of sessions in a snapshot, pinned as in golden.test.ts:
 * test/golden/kv-sessions-v1.json.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { createKv, encodeRaiseVersion, type Kv } from '../../../src/kv/index.js';
import { cmd, encodeEntry } from './kv-driver.js';

const NOW_MS = 1_700_000_000_000;
const GRANT = { session: 2 ** 52 + 3, grantedMs: NOW_MS - 5, lifetimeMs: 600_000 };

type Golden = Readonly<Record<'kv entries' | 'kv results' | 'kv snapshot', readonly string[]>> & {
  readonly 'kv state hash': string;
};

const golden = JSON.parse(
  readFileSync(new URL('../../golden/kv-sessions-v1.json', import.meta.url), 'utf8'),
) as Golden;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function makeKv(): Kv {
  return createKv({ hashSeed: 7, valueBytesMax: 1024, firstSlot: 0, lastSlot: 5, born: 1 });
}

function inSession(sequence: number, lowestUnanswered: number, command: Uint8Array): Uint8Array {
  return cmd.inSession(command, { ...GRANT, sequence, lowestUnanswered });
}

/** Before sessions are in force, the raise, then: kept, repeated, long, below the lowest, malformed, of a read, ended. */
function makeEntries(): Uint8Array[] {
  const raise = new ByteWriter();
  encodeRaiseVersion(raise, 2);
  const first = [inSession(1, 1, cmd.incrby('n', 1n)), raise.take(), raise.take()];
  const second = [
    inSession(1, 1, cmd.incrby('n', 1n)),
    inSession(1, 1, cmd.incrby('n', 1n)),
    inSession(2, 1, cmd.set('a', 'a value of more than thirty-one bytes')),
    cmd.versioned(inSession(2 ** 40, 2, cmd.incrby('n', 5n))),
    inSession(5, 2, cmd.getDel('a')),
    inSession(1, 1, cmd.incrby('n', 1n)),
    inSession(3, 9, cmd.incrby('n', 1n)),
    inSession(7, 2, cmd.get('n')),
    cmd.inSession(cmd.incrby('n', 1n), { ...GRANT, session: 9, lifetimeMs: 1, sequence: 1 }),
  ];
  return [encodeEntry(NOW_MS, first), encodeEntry(NOW_MS + 1000, second)];
}

function applied(entries: readonly Uint8Array[]): { kv: Kv; results: string[] } {
  const kv = makeKv();
  const results: string[] = [];
  entries.forEach((entry, i) =>
    kv.apply(i + 1, 1, entry, {
      onResult: (_position, bytes, start, end) => void results.push(hex(bytes.slice(start, end))),
    }),
  );
  return { kv, results };
}

function snapshotOf(kv: Kv): string[] {
  const source = kv.snapshot();
  const chunks: string[] = [];
  for (let chunk = source.next(4096); chunk !== null; chunk = source.next(4096)) chunks.push(hex(chunk));
  return chunks;
}

export function samples(): Golden {
  const entries = makeEntries();
  const { kv, results } = applied(entries);
  return {
    'kv entries': entries.map(hex),
    'kv results': results,
    'kv snapshot': snapshotOf(kv),
    'kv state hash': kv.stateHash(),
  };
}

it('E93 the bytes are what this program writes', () => {
  expect(samples()).toEqual(golden);
});

it('E93 the bytes are readable: entries and snapshot give the same results and state', () => {
  const { kv, results } = applied(golden['kv entries'].map(unhex));
  expect([results, kv.stateHash()]).toEqual([golden['kv results'], golden['kv state hash']]);
  const copy = makeKv();
  const loader = copy.loader();
  for (const chunk of golden['kv snapshot']) loader.push(unhex(chunk));
  loader.finish();
  expect([copy.clusterVersion, copy.stateHash()]).toEqual([2, golden['kv state hash']]);
  expect(snapshotOf(copy)).toEqual(golden['kv snapshot']);
});
