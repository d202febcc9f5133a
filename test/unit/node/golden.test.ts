/**
 * Bytes of entries, commands, results, snapshots and node values, pinned: what this program writes must be what is in
 * test/golden/state-v1.json and meta-v5.json, and what is there must give the same state for ever. A change of a layout
 * is a new version byte and a new golden file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/base/index.js';
import { Op, readHeader, skipResult } from '../../../src/kv/index.js';
import type { StateMachine } from '../../../src/ports/index.js';
import {
  decodeMembership,
  decodeNumber,
  decodeText,
  VALUE_BOOT,
  VALUE_INSTANCE,
  VALUE_MEMBER,
} from '../../../src/node/stored.js';
import {
  BOOT_NUMBER,
  makeKv,
  makeMeta,
  makeMetaSamples,
  makeSamples,
  MEMBERSHIP,
  resultsOf,
  snapshotOf,
  type Sample,
} from './golden-samples.js';

function readGolden(name: string): Record<string, Sample> {
  return JSON.parse(readFileSync(new URL(`../../golden/${name}`, import.meta.url), 'utf8')) as Record<
    string,
    Sample
  >;
}

const golden = readGolden('state-v1.json');
const goldenMeta = readGolden('meta-v5.json');

/** The parts of a sample. */
function bytesOf(name: string, from = golden): Uint8Array[] {
  return [from[name] ?? []].flat().map((part) => Uint8Array.from(Buffer.from(part, 'hex')));
}

function only(name: string, from = golden): Uint8Array {
  return bytesOf(name, from)[0] ?? new Uint8Array(0);
}

function load(machine: StateMachine, name: string, from = golden): void {
  const loader = machine.loader();
  for (const chunk of bytesOf(name, from)) loader.push(chunk);
  loader.finish();
}

function opsOf(entry: Uint8Array): number[] {
  const reader = new ByteReader(entry, 9, entry.length);
  return Array.from({ length: reader.u32() }, () => readHeader(new ByteReader(reader.bytes(reader.u32()))));
}

describe('bytes of state machines and nodes, version 1', () => {
  it('are what this program writes', () => {
    expect(makeSamples()).toEqual(golden);
  });

  it('hold, with the other files of shards, a command of every op', () => {
    const others = [
      'kv-strings-v1.json',
      'kv-numbers-v1.json',
      'kv-budget-v1.json',
      'kv-sessions-v1.json',
    ].map(readGolden);
    const ops = new Set([golden, ...others].flatMap((from) => bytesOf('kv entries', from)).flatMap(opsOf));
    expect([...ops].sort((a, b) => a - b)).toEqual(Object.values(Op).sort((a, b) => a - b));
  });

  it('are readable: entries of a shard give the same results and state', () => {
    const kv = makeKv();
    expect(resultsOf(kv, bytesOf('kv entries'))).toEqual(golden['kv results']);
    expect(kv.stateHash()).toBe(golden['kv state hash']);
  });

  it('are readable: a shard’s snapshot gives the same state', () => {
    const kv = makeKv();
    load(kv, 'kv snapshot');
    expect(kv.stateHash()).toBe(golden['kv state hash']);
    expect(snapshotOf(kv)).toEqual(golden['kv snapshot']);
  });

  it('are readable: results and node values', () => {
    const reader = new ByteReader(only('other results'));
    skipResult(reader);
    skipResult(reader);
    expect(reader.remaining).toBe(0);
    expect(decodeText(only(VALUE_INSTANCE))).toBe('instance-a');
    expect(decodeNumber(only(VALUE_BOOT))).toBe(BOOT_NUMBER);
  });
});

describe('bytes of group 0, layout 5', () => {
  it('are what this program writes', () => {
    expect(makeMetaSamples()).toEqual(goldenMeta);
  });

  it('are readable: entries, snapshot and membership give the same state', () => {
    const meta = makeMeta();
    expect(resultsOf(meta, bytesOf('meta entry', goldenMeta))).toEqual(goldenMeta['meta results']);
    expect(meta.stateHash()).toBe(goldenMeta['meta state hash']);
    const loaded = makeMeta();
    load(loaded, 'meta snapshot', goldenMeta);
    expect(loaded.stateHash()).toBe(goldenMeta['meta state hash']);
    expect(loaded.state).toEqual(meta.state);
    expect(decodeMembership(only(VALUE_MEMBER, goldenMeta))).toEqual(MEMBERSHIP);
  });
});
