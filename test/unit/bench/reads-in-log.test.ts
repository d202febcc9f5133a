/** The counter by which the benchmark knows reads that rode in the log: it moves when they are answered, not before. */
import { expect, it } from 'vitest';

import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';

it('counts a read in the log once its entry is durable and applied, and counts no write', () => {
  const t = new ReplicaUnderTest().lead();
  const sink = new RecordingSink();
  const [set, get] = [setCommand('a', '1'), getCommand('a')];
  sink.quiet = true;
  t.replica.submitWrite(set, 0, set.length, false, sink, 1);
  t.replica.submitWrite(get, 0, get.length, false, sink, 2, true);
  sink.quiet = false;
  t.turn();
  t.turn();
  expect(t.host.metrics.readsInLog.value).toBe(0);
  t.host.persist();
  t.turn();
  expect(sink.take()).toHaveLength(2);
  expect(t.host.metrics.readsInLog.value).toBe(1);
  expect(t.host.metrics.readIndex.value).toBe(0);
});
