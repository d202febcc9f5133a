/** Who is owed a snapshot: also a stream that got nowhere is forgotten once the log serves the follower again. */
import { expect, test } from 'vitest';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';

const SLOW = 2;

test('a stream was cut off, and its follower turns out to need none: the group is not busy for its sake any more', () => {
  const t = new ReplicaUnderTest([1, SLOW, 3], {}, null, { bytes: 1 << 30, entries: 5 }).lead();
  const { replica, world } = t;
  const { streams } = replica.policy;
  const sink = new RecordingSink();
  for (let token = 1; token <= 20; token++) {
    const command = setCommand('a', `${token}`);
    replica.submitWrite(command, 0, command.length, false, sink, token);
    t.turn();
    t.host.persist();
    t.step('append_response', { from: 3, index: replica.raft.lastIndex });
    t.settle();
    world.run(10);
  }
  const { firstIndex, lastIndex } = replica.raft.status();
  t.step('append_response', { from: SLOW, index: lastIndex, reject: true });
  t.settle();
  world.run(10);
  expect(firstIndex).toBeGreaterThan(2);
  expect(streams.status()).toMatchObject([{ to: SLOW, state: 'streaming' }]);
  streams.onLinkDown(SLOW);
  // An answer from before: it had everything, and only the answers were late.
  t.step('append_response', { from: SLOW, index: replica.raft.lastIndex });
  t.settle();
  streams.tick(world.clock.monoMs());
  expect(streams.isBusy).toBe(false);
});
