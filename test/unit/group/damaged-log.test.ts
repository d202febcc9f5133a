/** A record that turns out damaged while the node runs: this replica falls silent and says why; nothing else happens. */
import { expect, test } from 'vitest';
import { Replica } from '../../../src/group/index.js';
import { createKv } from '../../../src/kv/index.js';
import { createRaft } from '../../../src/raft/index.js';
import { StorageError } from '../../../src/storage/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ManualHost } from '../../support/loop-replica.js';
import { LoopWorld, quietLogger } from '../../support/loop-world.js';
import { makeInitial, makeOptions } from '../../support/raft-builders.js';

test('E62 a damaged record found while running silences its replica and does not end the node', () => {
  const world = new LoopWorld();
  const host = new ManualHost(world); // its `fatal` throws
  host.store.fetch = (_group, _lo, _hi, _bytesMax, done) => {
    done(new StorageError('DAMAGED_ENTRY', 'entry 1 of group 1'), null);
  };
  const voters = [1];
  const replica = new Replica({
    group: 1,
    id: 1,
    raft: createRaft(makeOptions(1), {
      ...makeInitial(voters),
      hardState: { term: 1, vote: 1, commit: 2 },
      lastIndex: 2,
      termRuns: [{ index: 1, term: 1 }],
    }),
    machine: createKv({ hashSeed: 1, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 }),
    appliedIndex: 0,
    suspect: null,
    checkpointLimits: { bytes: 1 << 30, entries: 1 << 30, logBytesMax: Infinity },
    host,
    logger: quietLogger,
  });
  for (let i = 0; i < 50 && replica.suspect === null; i++) {
    replica.tick(true);
    replica.collect();
    host.persist();
  }
  expect(replica.suspect).toContain('entry 1 of group 1');
  expect(replica.serves).toBe(false);
  const sink = new RecordingSink();
  const command = setCommand('a', 'b');
  replica.submitWrite(command, 0, command.length, false, sink, 1);
  replica.propose();
  expect(sink.lines).toEqual(['1 refused UNAVAILABLE 0: set a=b']);
  expect(replica.appliedIndex).toBe(0);
});
