/** A shard's cluster version: moved by its log alone, and what it puts in force is in force for all replicas at one index. */
import { describe, expect, it } from 'vitest';
import { ByteWriter, UnknownVersionError } from '../../../src/base/index.js';
import { createKv, encodeRaiseVersion, type Kv } from '../../../src/kv/index.js';
import { cmd, encodeEntry } from './kv-driver.js';

const NOW_MS = 1_700_000_000_000;
const OPTIONS = { hashSeed: 5, valueBytesMax: 1024, firstSlot: 0, lastSlot: 16_383 };
const SESSION = { session: 9, grantedMs: NOW_MS, lifetimeMs: 600_000 };

function raise(to: number): Uint8Array {
  const w = new ByteWriter();
  encodeRaiseVersion(w, to);
  return w.take();
}

function inSession(sequence: number, command: Uint8Array): Uint8Array {
  return cmd.inSession(command, { ...SESSION, sequence, lowestUnanswered: sequence });
}

function older(born = 1): Kv {
  return createKv({ ...OPTIONS, born, versions: { min: 1, max: 1 } });
}

function newer(born = 1): Kv {
  return createKv({ ...OPTIONS, born, versions: { min: 1, max: 2 } });
}

/** What was answered, as hex. */
function apply(kv: Kv, index: number, ...commands: Uint8Array[]): string[] {
  const results: string[] = [];
  kv.apply(index, 1, encodeEntry(NOW_MS, commands), {
    onResult: (_position, bytes, start, end) =>
      void results.push(Buffer.from(bytes.slice(start, end)).toString('hex')),
  });
  return results;
}

const OK = '00';
const int = (n: number): string => `02${n.toString(16).padStart(16, '0')}`;

function copyOf(kv: Kv, into: Kv): Kv {
  const loader = into.loader();
  const source = kv.snapshot();
  for (let chunk = source.next(64); chunk !== null; chunk = source.next(64)) loader.push(chunk);
  loader.finish();
  return into;
}

describe('raiseVersion', () => {
  it('E125 stops a build that does not know the version, before anything of it is applied', () => {
    const kv = older();
    apply(kv, 1, cmd.set('a', '1'));
    const hash = kv.stateHash();
    expect(() => apply(kv, 2, raise(2), cmd.set('a', '2'))).toThrow(UnknownVersionError);
    expect(() => apply(kv, 3, raise(2))).toThrow(
      /of cluster version 2, and this build knows 1: start a newer one/,
    );
    expect([kv.clusterVersion, kv.stateHash()]).toEqual([1, hash]);
  });

  it('moves the version once, never back, and is part of the hash', () => {
    const [a, b] = [newer(), newer()];
    expect(apply(a, 1, raise(2))).toEqual([int(2)]);
    expect(apply(b, 1, cmd.mark())).toHaveLength(1);
    expect(a.stateHash()).not.toBe(b.stateHash());
    expect(apply(a, 2, raise(1), raise(2))).toEqual([int(2), int(2)]);
    expect(a.clusterVersion).toBe(2);
  });

  it('E125 puts sessions in force at its place in the log: before it, writes under one change nothing on any build', () => {
    const [old, young] = [older(), newer()];
    const refused = [inSession(1, cmd.incrby('n', 5n)), inSession(2, cmd.set('k', 'v'))];
    const before = apply(old, 1, ...refused, cmd.set('a', '1'));
    expect(before[0]).toBe(before[1]);
    expect(before[2]).toBe(OK);
    expect(apply(young, 1, ...refused, cmd.set('a', '1'))).toEqual(before);
    expect(young.stateHash()).toBe(old.stateHash());
    expect(young.itemCount).toBe(1);
    // In one entry: what stands behind the raise is in force.
    const after = apply(
      young,
      2,
      inSession(1, cmd.incrby('n', 5n)),
      raise(2),
      inSession(1, cmd.incrby('n', 5n)),
    );
    expect(after).toEqual([before[0], int(2), int(5)]);
    expect(apply(young, 3, inSession(1, cmd.incrby('n', 5n)))).toEqual([int(5)]);
    expect(young.figures().sessions).toBe(1);
  });

  it('E125 survives in a snapshot, which a build that does not know the version refuses, and keeps what it had', () => {
    const kv = newer();
    apply(kv, 1, raise(2), cmd.set('a', '1'));
    const copy = copyOf(kv, newer());
    expect([copy.clusterVersion, copy.stateHash()]).toEqual([2, kv.stateHash()]);
    const old = older();
    apply(old, 1, cmd.set('b', '1'));
    const hash = old.stateHash();
    expect(() => copyOf(kv, old)).toThrow(UnknownVersionError);
    expect(old.stateHash()).toBe(hash);
    // One of the older version is read by both.
    expect(copyOf(old, newer(2)).clusterVersion).toBe(1);
  });

  it('is malformed with bytes missing or left over', () => {
    const kv = newer();
    const malformed = '0604';
    expect(apply(kv, 1, raise(2).subarray(0, 7), Uint8Array.of(...raise(2), 0))).toEqual([
      malformed,
      malformed,
    ]);
    expect(kv.clusterVersion).toBe(1);
  });
});
