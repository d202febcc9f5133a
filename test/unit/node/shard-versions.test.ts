/** The cluster version on its way from group 0 into the logs of the shards led here. */
import { expect, it } from 'vitest';
import type { GroupId } from '../../../src/base/index.js';
import type { Replica } from '../../../src/group/index.js';
import { Op } from '../../../src/kv/index.js';
import { ShardVersions } from '../../../src/node/shard-versions.js';

interface FakeReplica {
  group: GroupId;
  raft: { role: string };
  serves: boolean;
  machine: { clusterVersion?: number };
}

class FakeHost {
  readonly replicas = new Map<GroupId, FakeReplica>();
  /** `group version`, as they were appended. */
  appended: string[] = [];

  add(group: GroupId, role: string, clusterVersion?: number): Replica {
    const submitWrite = (bytes: Uint8Array, start: number, end: number): void => {
      expect([bytes[start], end - start]).toEqual([Op.raiseVersion, 8]);
      this.appended.push(`${group} ${bytes[end - 1]}`);
    };
    const machine = clusterVersion === undefined ? {} : { clusterVersion };
    const replica = { group, raft: { role }, serves: role === 'leader', machine, submitWrite };
    this.replicas.set(group, replica);
    return replica as unknown as Replica;
  }

  take(): string[] {
    const taken = this.appended;
    this.appended = [];
    return taken;
  }

  replica(group: GroupId): Replica | null {
    return (this.replicas.get(group) as unknown as Replica | undefined) ?? null;
  }

  all(): IterableIterator<Replica> {
    return this.replicas.values() as unknown as IterableIterator<Replica>;
  }
}

it('E125 appends it where this node leads and the log is behind, again until it is applied', () => {
  const host = new FakeHost();
  host.add(0, 'leader');
  host.add(1, 'leader', 1);
  host.add(2, 'follower', 1);
  host.add(3, 'leader', 2);
  const versions = new ShardVersions(host, 1);
  versions.poll(0);
  expect(host.take()).toEqual([]);
  versions.onVersion(2);
  versions.poll(10);
  expect(host.take()).toEqual(['1 2']);
  versions.poll(20);
  expect(host.take()).toEqual([]);
  versions.poll(2010);
  expect(host.take()).toEqual(['1 2']);
  (host.replicas.get(1) as FakeReplica).machine.clusterVersion = 2;
  versions.poll(9000);
  versions.onVersion(1);
  versions.poll(19_000);
  expect(host.take()).toEqual([]);
});

it('E125 a new leader appends it once it serves, and one that lost does not', () => {
  const host = new FakeHost();
  const versions = new ShardVersions(host, 2);
  const replica = host.add(1, 'leader', 1);
  const fake = host.replicas.get(1) as FakeReplica;
  fake.serves = false;
  versions.onRole(replica);
  versions.poll(1);
  expect(host.take()).toEqual([]);
  fake.serves = true;
  versions.poll(2);
  expect(host.take()).toEqual(['1 2']);
  fake.raft.role = 'follower';
  versions.poll(5000);
  fake.raft.role = 'leader';
  versions.poll(10_000);
  expect(host.take()).toEqual([]);
  versions.onRole(replica);
  versions.poll(10_001);
  expect(host.take()).toEqual(['1 2']);
  host.replicas.delete(1);
  versions.poll(20_000);
  expect(host.take()).toEqual([]);
});
