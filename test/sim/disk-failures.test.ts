/**
 * The table "Failing disks" of docs/spec.md on whole nodes: what is found, what the node does, and what an operator
 * sees. The safety checkers watch throughout, and at the end every acknowledged write is there.
 */
import { expect, test } from 'vitest';
import { META_GROUP, Prng } from '../../src/base/index.js';
import type { ReplicaStatus } from '../../src/node/api.js';
import { SafetyCheckers } from './checkers.js';
import { whatIsMissing } from './converge.js';
import { nodeUnderTest } from './node-under-test.js';
import { encodeRequest, RespReplies } from './resp-replies.js';
import { SimCluster, type Machine } from './world/cluster.js';
import { SimLoop } from './world/loop.js';
import { SimNetwork } from './world/network.js';

const SHARDS = 2;
const STORE = '/data/log';
const RUN_MS_MAX = 60_000;

class DiskScene {
  readonly loop = new SimLoop();
  readonly cluster: SimCluster;
  private readonly network: SimNetwork;
  private readonly checkers = new SafetyCheckers(this.loop);
  /** What every key holds, by acknowledged writes alone. */
  private readonly written = new Map<string, string>();
  private writes = 0;

  constructor(seed: number) {
    const prng = new Prng(seed);
    this.network = new SimNetwork(this.loop, prng.stream('network'), {});
    this.cluster = new SimCluster(
      this.loop,
      this.network,
      prng.stream('nodes'),
      nodeUnderTest(null),
      this.checkers,
      {
        nodes: 3,
        shards: SHARDS,
        replicas: 3,
        checkpointEntries: 20,
        checkpointBytes: 1 << 20,
        inflightBytesMax: 64 << 20,
        print: null,
      },
    );
    this.cluster.onRestart = (node) => this.checkers.onRestart(node);
    this.loop.afterEvent = () => {
      this.checkers.check();
      if (this.cluster.failure !== null) throw new Error(this.cluster.failure);
    };
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    let founded = false;
    this.cluster.init(() => (founded = true));
    this.until(() => founded && this.cluster.ready, 'the cluster is ready');
  }

  until(holds: () => boolean, what: string, ms = 60_000): void {
    const endMs = this.loop.now() + ms;
    while (!holds()) {
      if (this.loop.now() >= endMs) throw new Error(`not within ${ms} ms: ${what}\n${this.logs()}`);
      this.loop.runUntil(this.loop.now() + 10);
    }
  }

  /** So many writes, asked of one node, each after the answer of the one before; refused ones are asked again. */
  write(count: number, via: Machine): void {
    const owner = this.loop.owner();
    const replies = new RespReplies();
    const endCount = this.writes + count;
    const address = via.settings.resp[0]?.address ?? '';
    let open = '';
    const ask = (): void => {
      open = `k${this.writes % 40}`;
      stream.write(encodeRequest(['SET', open, `v${this.writes}`]));
    };
    const stream = this.network.connectStream(owner, address, {
      onData: (bytes) => {
        for (const reply of replies.push(bytes)) {
          if (reply.kind === 'status') this.written.set(open, `v${this.writes++}`);
          if (this.writes < endCount) ask();
        }
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    });
    ask();
    this.until(() => this.writes === endCount, `${count} writes are acknowledged`);
    stream.destroy();
  }

  /** Writes on one connection until it breaks; what was open then may be there or not. Answers how many were answered. */
  keepWriting(via: Machine, lane: number): () => number {
    const owner = this.loop.owner();
    const replies = new RespReplies();
    let count = 0;
    let open = '';
    const ask = (): void => {
      open = `l${lane}-${count % 20}`;
      this.written.delete(open);
      stream.write(encodeRequest(['SET', open, `${this.loop.now()}`]));
      value = `${this.loop.now()}`;
    };
    let value = '';
    const stream = this.network.connectStream(owner, via.settings.resp[0]?.address ?? '', {
      onData: (bytes) => {
        for (const reply of replies.push(bytes)) {
          if (reply.kind === 'status') {
            this.written.set(open, value);
            count++;
          }
          ask();
        }
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    });
    ask();
    return () => count;
  }

  /** Every acknowledged write is there, read through one node. */
  readAll(via: Machine): void {
    const owner = this.loop.owner();
    const replies = new RespReplies();
    const keys = [...this.written.keys()];
    const found: (string | null)[] = [];
    const address = via.settings.resp[0]?.address ?? '';
    const stream = this.network.connectStream(owner, address, {
      onData: (bytes) => {
        for (const reply of replies.push(bytes)) if (reply.kind === 'bulk') found.push(reply.text);
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    });
    for (const key of keys) stream.write(encodeRequest(['GET', key]));
    this.until(() => found.length === keys.length, 'every key is read');
    stream.destroy();
    expect(found).toEqual(keys.map((key) => this.written.get(key)));
  }

  machine(index: number): Machine {
    const machine = this.cluster.machines[index];
    if (machine === undefined) throw new Error(`no machine ${index}`);
    return machine;
  }

  replica(machine: Machine, group: number): ReplicaStatus {
    const found = this.cluster.status(machine)?.replicas.find((r) => r.group === group);
    if (found === undefined) throw new Error(`no replica of group ${group} on ${machine.name}`);
    return found;
  }

  /** Checkpoint files of a group, newest first. */
  checkpoints(machine: Machine, group: number): string[] {
    const names = machine.disk.names(`/data/checkpoints/g${group}`).filter((name) => name.endsWith('.ckpt'));
    return names
      .sort((a, b) => parseInt(b, 10) - parseInt(a, 10))
      .map((n) => `/data/checkpoints/g${group}/${n}`);
  }

  recover(machine: Machine): void {
    this.cluster.start(machine);
    this.until(() => this.cluster.status(machine)?.ready === true, `${machine.name} is ready`);
  }

  converge(): void {
    this.until(() => whatIsMissing(this.cluster) === null, `converged: ${whatIsMissing(this.cluster)}`);
  }

  logs(): string {
    return this.cluster.machines.flatMap((m) => m.log.tail().slice(-40)).join('\n');
  }

  said(machine: Machine, event: string): string[] {
    return machine.log.tail().filter((line) => line.includes(event));
  }
}

test(
  'E58 a damaged newest checkpoint: the older one and the log serve, and the replica is not suspect',
  { timeout: RUN_MS_MAX },
  () => {
    const scene = new DiskScene(58);
    const [healthy, hurt] = [scene.machine(0), scene.machine(1)];
    scene.write(150, healthy);
    scene.converge();
    const files = scene.checkpoints(hurt, 1);
    expect(files).toHaveLength(2);
    scene.cluster.crash(hurt, 'kill');
    hurt.disk.corruptFile(files[0] as string);
    scene.recover(hurt);
    expect(scene.said(hurt, 'checkpoint is broken, falling back')).toHaveLength(1);
    expect(scene.replica(hurt, 1).suspect).toBeNull();
    scene.write(60, healthy);
    scene.converge();
    scene.readAll(hurt);
  },
);

test(
  'E58 E103 with both checkpoints damaged the replica is suspect, says so, and is replaced by a fresh one',
  { timeout: RUN_MS_MAX },
  () => {
    const scene = new DiskScene(59);
    const [healthy, hurt] = [scene.machine(0), scene.machine(1)];
    scene.write(150, healthy);
    scene.converge();
    const before = scene.replica(hurt, 1).replica;
    scene.cluster.crash(hurt, 'kill');
    for (const file of scene.checkpoints(hurt, 1)) hurt.disk.corruptFile(file);
    scene.cluster.start(hurt);
    const suspected = (): boolean =>
      scene.cluster.status(hurt)?.replicas.some((r) => r.group === 1 && r.suspect !== null) === true;
    scene.until(suspected, 'its status names the suspect');
    expect(scene.replica(hurt, 1).suspect).toBe(
      'no checkpoint could be loaded and the log before it is gone',
    );
    expect(scene.replica(hurt, 2).suspect).toBeNull();
    scene.write(60, healthy);
    scene.converge();
    expect(scene.replica(hurt, 1).replica).toBeGreaterThan(before);
    scene.readAll(hurt);
  },
);

test(
  'E62 E103 batches gone from the middle of a log: all replicas of the node are suspect and replaced, nothing is missing',
  { timeout: RUN_MS_MAX },
  () => {
    for (const seed of [62, 162, 262]) {
      const scene = new DiskScene(seed);
      const [healthy, hurt] = [scene.machine(0), scene.machine(1 + (seed % 2))];
      scene.write(120, healthy);
      scene.converge();
      const groups = [META_GROUP, 1, 2];
      const before = groups.map((group) => scene.replica(hurt, group).replica);
      scene.cluster.crash(hurt, 'kill');
      expect(hurt.disk.flipStoreBit(STORE)).toBe(true);
      scene.cluster.start(hurt);
      scene.until(
        () => scene.said(hurt, 'replica is suspect').length >= groups.length,
        'every replica of the node is suspect',
      );
      scene.write(60, healthy);
      scene.converge();
      for (const [i, group] of groups.entries()) {
        expect(scene.replica(hurt, group).replica).toBeGreaterThan(before[i] as number);
      }
      scene.readAll(hurt);
    }
  },
);

test(
  'E63 E64 a full disk or a failing fsync ends the node, which acknowledged nothing of it, and it comes back',
  { timeout: RUN_MS_MAX },
  () => {
    for (const code of ['ENOSPC', 'EIO'] as const) {
      const scene = new DiskScene(63);
      const [healthy, hurt] = [scene.machine(0), scene.machine(1)];
      scene.write(50, healthy);
      hurt.faultsDue = 1;
      hurt.disk.failNext('store', code);
      scene.write(50, healthy);
      scene.until(() => hurt.faultsDue === 0, 'the fault has struck');
      expect(scene.said(hurt, 'fatal').join()).toContain('"reason":"disk"');
      scene.until(() => scene.cluster.status(hurt)?.ready === true, 'it is back');
      scene.converge();
      expect(scene.replica(hurt, 1).suspect).toBeNull();
      scene.readAll(hurt);
    }
  },
);

test(
  'E65 a leader whose disk stands still loses its leaderships, and clients go on',
  { timeout: RUN_MS_MAX },
  () => {
    const scene = new DiskScene(65);
    scene.write(50, scene.machine(0));
    scene.converge();
    const slow = scene.cluster.leaders(1)[0] as Machine;
    const other = scene.cluster.machines.find((m) => m !== slow) as Machine;
    slow.disk.slowFactor = 20_000; // one fsync takes 2 s to 20 s
    const beginMs = scene.loop.now();
    scene.write(30, other);
    expect(scene.loop.now() - beginMs).toBeLessThan(6_000);
    expect(scene.said(slow, 'a log write does not end')).toHaveLength(1);
    expect(scene.cluster.leaders(1)).not.toContain(slow);
    slow.disk.slowFactor = 1;
    scene.converge();
    scene.readAll(other);
  },
);

test(
  'E60 E104 power lost on all nodes at once, over and over, under load: nobody is suspect, nothing acknowledged is missing',
  { timeout: RUN_MS_MAX },
  () => {
    const scene = new DiskScene(104);
    const { machines } = scene.cluster;
    const groups = [META_GROUP, 1, 2];
    const born = machines.map((m) => groups.map((group) => scene.replica(m, group).replica));
    const prng = new Prng(104);
    let acknowledged = 0;
    for (let round = 0; round < 12; round++) {
      const writers = machines.flatMap((m, i) => [0, 1, 2].map((k) => scene.keepWriting(m, 3 * i + k)));
      scene.loop.runUntil(scene.loop.now() + 300 + prng.below(400));
      for (const machine of machines) scene.cluster.crash(machine, 'power');
      acknowledged += writers.reduce((sum, count) => sum + count(), 0);
      for (const machine of machines) scene.cluster.start(machine);
      scene.until(() => scene.cluster.ready, 'the cluster is back');
      const replicas = machines.map((m) => groups.map((group) => scene.replica(m, group)));
      expect(replicas.flat().filter((replica) => replica.suspect !== null)).toEqual([]);
      expect(replicas.map((of) => of.map(({ replica }) => replica))).toEqual(born);
      scene.readAll(machines[round % 3] as Machine);
    }
    expect(acknowledged).toBeGreaterThan(1000);
    scene.converge();
  },
);
