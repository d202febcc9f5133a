/** A replica that its own disk can't rebuild says so, applies nothing, and leaves nothing that would pass for whole. */
import { expect, test } from 'vitest';
import { UnknownVersionError } from '../../../src/base/index.js';
import { recoverGroup } from '../../../src/node/recovery.js';
import { createKv } from '../../../src/kv/index.js';
import { createRaft } from '../../../src/raft/index.js';
import { nodeSettingsSchema } from '../../../src/settings/index.js';
import { StorageError, type CheckpointStore, type RecoveredGroup } from '../../../src/storage/index.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';
import { quietLogger } from '../../support/loop-world.js';
import { makeConfiguration } from '../../support/raft-builders.js';

const GROUP = 1;
const NEWEST = { index: 6, term: 1, file: '6-1.ckpt' };
const OLDER = { index: 4, term: 1, file: '4-1.ckpt' };

/** A log truncated at 4, with entries to 9 of which 8 are committed. */
const RECOVERED: RecoveredGroup = {
  group: GROUP,
  replica: 1,
  hardState: { term: 1, vote: 0, commit: 8 },
  configuration: makeConfiguration([1, 2, 3]),
  configurationIndex: 0,
  truncatedIndex: 4,
  truncatedTerm: 1,
  lastIndex: 9,
  termRuns: [{ index: 5, term: 1 }],
  checkpoints: [NEWEST, OLDER],
  suspect: null,
  logBytes: 500,
};

/** Recovers on a node whose every checkpoint file fails so; damaged, unless told otherwise. */
function recover(
  recovered: RecoveredGroup,
  failure = new StorageError('DAMAGED_CHECKPOINT', 'frame 1: wrong CRC'),
): TestNode {
  const node = new TestHosts(3).start().node(1);
  const checkpoints: CheckpointStore = Object.assign(Object.create(node.checkpoints), {
    load: ((_group, _pointer, _loader, done) => {
      done(failure, null, 0);
    }) satisfies CheckpointStore['load'],
  });
  node.host.store.dropCheckpoint = () => undefined;
  recoverGroup(
    {
      host: node.host,
      checkpoints,
      createRaft,
      machineOf: () => createKv({ hashSeed: 1, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 }),
      entropy: { u32: () => 1, below: () => 0, bytes: (count) => new Uint8Array(count) },
      logger: quietLogger,
      settings: nodeSettingsSchema.parse({}),
      groupsHere: 2,
    },
    recovered,
    () => undefined,
  );
  return node;
}

test('E58 with no checkpoint left the replica is suspect, and applies no entry on an empty state', () => {
  const node = recover(RECOVERED);
  const replica = node.replica(GROUP);
  expect(replica.suspect).toContain('no checkpoint could be loaded');
  node.cluster.world.run(2_000);
  expect(replica.appliedIndex).toBe(4);
  expect(replica.raft.role).toBe('follower');
});

test('E58 E103 a suspect replica writes no checkpoint, also when its disk is low', () => {
  const node = recover(RECOVERED);
  const replica = node.replica(GROUP);
  replica.policy.start();
  node.cluster.world.run(2_000);
  expect(replica.policy.written).toBe(0);
});

test('E58 not even up to a configuration that it knows to be committed', () => {
  const node = recover({ ...RECOVERED, configurationIndex: 7 });
  node.cluster.world.run(2_000);
  expect(node.replica(GROUP).appliedIndex).toBe(4);
});

test('E62 what was found suspect applies nothing of its log: an entry in it may be one that was replaced', () => {
  const whole = { truncatedIndex: 0, truncatedTerm: 0, termRuns: [{ index: 1, term: 1 }], checkpoints: [] };
  const node = recover({ ...RECOVERED, ...whole, suspect: 'a gap' });
  const replica = node.replica(GROUP);
  node.cluster.world.run(2_000);
  expect([replica.suspect, replica.appliedIndex]).toEqual(['a gap', 0]);
});

test('E125 a checkpoint of a cluster version that this build does not know is not damaged: the node ends', () => {
  const cause = new UnknownVersionError('the snapshot of a shard', 2, { min: 1, max: 1 });
  const wrapped = new StorageError('DAMAGED_CHECKPOINT', 'checkpoint file: unreadable', { cause });
  const node = recover(RECOVERED, wrapped);
  expect([node.fatals, node.host.replica(GROUP)]).toEqual([['refused'], null]);
});
