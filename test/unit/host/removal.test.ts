/** What is left at a node's host of a replica that was removed from it: nothing. */
import { setImmediate as macrotask } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { decodeRaftFrame } from '../../../src/codec/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';

function write(node: TestNode, sink: RecordingSink, token: number): void {
  const command = setCommand('a', String(token));
  node.replica(1).submitWrite(command, 0, command.length, false, sink, token);
}

/** Groups that a node's frames speak of. */
function groupsSaid(hosts: TestHosts, node: number): Set<number> {
  const groups = new Set<number>();
  for (const frame of hosts.peers.frames) {
    if (frame.from !== node || frame.channel !== 'raft') continue;
    decodeRaftFrame(frame.bytes, {
      onHeader: () => undefined,
      onMessage: (group) => void groups.add(group),
    });
  }
  return groups;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('E84 a removed replica answers what waits, and then gets no tick, says nothing and takes no turn', () => {
  const hosts = new TestHosts(3, { remember: true });
  for (const group of [1, 2]) hosts.addGroup(group);
  hosts.start();
  const leader = hosts.leader(1);
  hosts.leader(2);
  const sink = new RecordingSink();
  write(leader, sink, 1);
  hosts.world.until(() => sink.lines.length === 1, 'written');
  const { host } = leader;
  const replica = leader.replica(1);
  let calls = 0;
  for (const name of ['tick', 'step', 'propose', 'collect', 'applySlice'] as const) {
    const inner = replica[name].bind(replica) as (...values: never[]) => never;
    Object.defineProperty(replica, name, { value: (...values: never[]) => (calls++, inner(...values)) });
  }
  hosts.world.run(100);
  expect(calls).toBeGreaterThan(0);
  write(leader, sink, 2);
  host.removeReplica(1);
  expect(sink.lines).toEqual(['1: ok', `2 refused UNAVAILABLE ${leader.id}: set a=2`]);
  hosts.world.run(50); // what stood on this turn's list
  [calls, hosts.peers.frames.length] = [0, 0];
  // The others go on without it, and speak to it: all that is dropped.
  const heir = hosts.leader(1, leader.id);
  write(heir, sink, 3);
  hosts.world.until(() => sink.lines.length === 3, 'written without it');
  hosts.world.run(1000);
  expect(calls).toBe(0);
  expect(leader.unknown.some(({ group }) => group === 1)).toBe(true);
  expect([...groupsSaid(hosts, leader.id)]).toEqual([2]);
  expect([...host.all()].map(({ group }) => group)).toEqual([2]);
});

test('E84 nothing of the host holds on to a removed replica: its memory is free', async () => {
  const hosts = new TestHosts(1);
  for (const group of [1, 2]) hosts.addGroup(group);
  hosts.start();
  const node = hosts.leader(1);
  const sink = new RecordingSink();
  for (let i = 0; i < 10; i++) write(node, sink, i);
  hosts.world.until(() => sink.lines.length === 10, 'written');
  const removed = new WeakRef(node.replica(1));
  const stays = new WeakRef(node.replica(2));
  node.host.removeReplica(1);
  node.machines.delete(1);
  hosts.world.run(200);
  await macrotask();
  collectGarbage();
  expect(stays.deref()).toBeDefined();
  expect(removed.deref()).toBeUndefined();
});
