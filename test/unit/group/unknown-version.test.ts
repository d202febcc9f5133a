/** An older build that meets what a newer one wrote: its node ends before it applies it, and its replica is not suspect. */
import { expect, it } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { createKv, encodeRaiseVersion, type Kv } from '../../../src/kv/index.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';
import { cmd } from '../kv/kv-driver.js';

function older(): Kv {
  const versions = { min: 1, max: 1 };
  return createKv({ hashSeed: 7, valueBytesMax: 1024, firstSlot: 0, lastSlot: 16_383, born: 1, versions });
}

function raise(): Uint8Array {
  const w = new ByteWriter();
  encodeRaiseVersion(w, 2);
  return w.take();
}

it('E125 the node ends at the raise, and no entry behind it is applied', () => {
  const kv = older();
  const under = new ReplicaUnderTest([1], {}, kv).lead();
  const sink = { onResult: () => undefined, onRefused: () => undefined };
  const write = (command: Uint8Array): void => {
    under.replica.submitWrite(command, 0, command.length, false, sink, 0);
  };
  write(cmd.set('a', 'before'));
  under.settle();
  const hash = kv.stateHash();
  const { appliedIndex } = under.replica;
  write(raise());
  expect(() => under.settle()).toThrow(
    `fatal refused: group 1, entry ${appliedIndex + 1}: the log of a shard is of cluster version 2, and this build knows 1`,
  );
  write(cmd.set('a', 'after'));
  under.settle();
  expect([under.replica.appliedIndex, kv.stateHash()]).toEqual([appliedIndex, hash]);
  expect(under.replica.suspect).toBeNull();
});
