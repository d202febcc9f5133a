/** Checkpoints by hand and by age, on whole hosts; the command line is in unit/cli/checkpoint-command. */
import { describe, expect, it } from 'vitest';
import type { ClusterView } from '../../../src/node/cluster-view.js';
import { ShardCheckpoints } from '../../../src/node/shard-checkpoints.js';
import type { CheckpointResponse, ControlFailure, WriteCheckpointRequest } from '../../../src/ports/index.js';
import { RecordingSink, setCommand } from '../../support/loop-commands.js';
import { TestHosts, type TestNode } from '../../support/loop-hosts.js';

const GROUP = 1;
const AGE_MS = 60_000;

class Scene {
  readonly hosts = new TestHosts(3);
  readonly sink = new RecordingSink();
  readonly services: ShardCheckpoints[];
  /** Nodes that answer no call. */
  readonly away = new Set<number>();
  private writes = 0;

  constructor(intervalMs = 0, suspect: string | null = null) {
    const { hosts } = this;
    for (const node of hosts.nodes)
      node.addReplica(GROUP, [1, 2, 3], undefined, node.id === 3 ? suspect : null);
    hosts.start();
    hosts.leader(GROUP);
    this.services = hosts.nodes.map((node) => this.serviceOf(node, intervalMs));
  }

  private serviceOf(node: TestNode, intervalMs: number): ShardCheckpoints {
    const { world } = this.hosts;
    const members = [1, 2, 3].map((id) => ({ replica: id, node: id, isLearner: false }));
    const view = {
      replicasOf: (group: number) => (group <= GROUP ? members : []),
      map: { node: (id: number) => ({ addresses: { grpc: `node:${id}` } }) },
    };
    return new ShardCheckpoints({
      host: node.host,
      view: view as unknown as ClusterView,
      clock: node.clock,
      timers: world.timersOf(node.clock),
      intervalMs,
      client: {
        call: (address, method, request, _deadlineMs, done) => {
          const id = Number(address.slice(5));
          expect(method).toBe('writeCheckpoint');
          const failure: ControlFailure = { code: 'UNAVAILABLE', message: 'nobody there' };
          if (this.away.has(id)) world.timers.soon(() => done(failure, null));
          else this.service(id).write(request as WriteCheckpointRequest, done as never);
        },
      },
    });
  }

  service(id: number): ShardCheckpoints {
    return this.services[id - 1] as ShardCheckpoints;
  }

  write(count: number): void {
    const leader = this.hosts.leader(GROUP).replica(GROUP);
    for (let i = 0; i < count; i++) {
      const command = setCommand(`key ${this.writes}`, 'x'.repeat(100));
      leader.submitWrite(command, 0, command.length, false, this.sink, this.writes++);
    }
    this.hosts.world.until(() => this.sink.lines.length === this.writes, 'writes are answered');
    this.hosts.world.until(() => this.hosts.agree(GROUP), 'all have applied them');
  }

  ask(timeoutMs = 5000, group = GROUP): CheckpointResponse | ControlFailure {
    let answer: CheckpointResponse | ControlFailure | null = null;
    this.service(2).checkpoint({ group, timeoutMs }, (failure, response) => {
      expect(answer, 'answered once').toBeNull();
      answer = response ?? failure;
    });
    this.hosts.world.until(() => answer !== null, 'an answer', 20_000);
    return answer as unknown as CheckpointResponse;
  }

  outcomes(): string[] {
    const { replicas } = this.ask() as CheckpointResponse;
    return replicas.map(({ replica, outcome }) => `${replica} ${outcome}`);
  }

  written(): number[] {
    return this.hosts.nodes.map((node) => node.replica(GROUP).policy.written);
  }

  runPolling(ms: number): void {
    for (let past = 0; past < ms; past += 1000) {
      this.hosts.world.run(1000);
      this.hosts.nodes.forEach((node, i) => this.services[i]?.poll(node.clock.monoMs()));
    }
    this.hosts.world.run(1000);
  }
}

describe('checkpoints by hand', () => {
  it('are written by every replica, hold what was applied, and are durable with their pointer', () => {
    const scene = new Scene();
    scene.write(20);
    const applied = scene.hosts.node(1).replica(GROUP).appliedIndex;
    const { group, replicas } = scene.ask() as CheckpointResponse;
    expect([group, replicas.map(({ outcome, index }) => [outcome, index])]).toEqual([
      GROUP,
      [1, 2, 3].map(() => ['written', applied]),
    ]);
    for (const { node, bytes } of replicas) {
      expect(bytes).toBeGreaterThan(2000);
      expect(scene.hosts.node(node).replica(GROUP).policy.pointers[0]?.index).toBe(applied);
    }
    expect(scene.outcomes()).toEqual(['1 current', '2 current', '3 current']);
    expect(scene.written()).toEqual([1, 1, 1]);
  });

  it('asked while one is written that began too early, and by several at once, hold what was applied then', () => {
    const scene = new Scene();
    scene.write(20);
    const { policy } = scene.hosts.node(1).replica(GROUP);
    policy.start();
    scene.write(1);
    const applied = scene.hosts.node(1).replica(GROUP).appliedIndex;
    const indexes: number[] = [];
    for (let i = 0; i < 3; i++)
      policy.request((told) => indexes.push(told.kind === 'done' ? told.pointer.index : -1));
    scene.hosts.world.until(() => indexes.length === 3, 'answers');
    for (const index of indexes) expect(index).toBeGreaterThanOrEqual(applied);
    expect(policy.written).toBeLessThanOrEqual(2);
  });

  it('are refused by a suspect replica, and told of one that does not answer', () => {
    const scene = new Scene(0, 'its log has a gap');
    scene.away.add(1);
    const command = setCommand('a', 'b');
    const leader = scene.hosts.leader(GROUP).replica(GROUP);
    leader.submitWrite(command, 0, command.length, false, scene.sink, 0);
    scene.hosts.world.until(() => scene.sink.lines.length === 1, 'the write is answered');
    const { replicas } = scene.ask() as CheckpointResponse;
    expect(replicas.map(({ outcome }) => outcome)).toEqual(['unreachable', 'written', 'refused']);
    expect(replicas[0]?.detail).toBe('nobody there');
    expect(replicas[2]?.detail).toContain('its log has a gap');
  });

  it('that take too long are told as that, and are written all the same', () => {
    const scene = new Scene();
    scene.write(5);
    const node = scene.hosts.node(2);
    // Another group's checkpoint has the node's turn for a while.
    let finish = (): void => undefined;
    node.host.queueCheckpoint(node.replica(GROUP), (done) => (finish = done));
    const { replicas } = scene.ask(1000) as CheckpointResponse;
    expect(replicas.map(({ outcome }) => outcome)).toEqual(['written', 'unreachable', 'written']);
    expect(replicas[1]?.detail).toContain('waits for its turn');
    finish();
    scene.hosts.world.run(1000);
    expect(scene.outcomes()).toEqual(['1 current', '2 current', '3 current']);
  });

  it('of a shard that is not there are an error, of group 0 too; of another replica than asked for as well', () => {
    const scene = new Scene();
    for (const group of [0, 7]) {
      expect(scene.ask(1000, group)).toEqual({
        code: 'INVALID_ARGUMENT',
        message: `there is no shard ${group}`,
      });
    }
    let failure: ControlFailure | null = null;
    scene.service(1).write({ group: GROUP, replica: 9, waitMs: 10 }, (told) => (failure = told));
    expect(failure).toMatchObject({ code: 'SHARD_NOT_LOCAL' });
  });

  it('end with an answer when the node stops', () => {
    const scene = new Scene();
    scene.write(5);
    const { policy } = scene.hosts.node(1).replica(GROUP);
    const told: string[] = [];
    policy.request(({ kind }) => told.push(kind));
    scene.hosts.node(1).host.stop();
    expect(told).toEqual(['refused']);
    policy.request(({ kind }) => told.push(kind));
    expect(told).toEqual(['refused', 'refused']);
  });
});

describe('checkpoints by age', () => {
  it('are written once the newest is that old, and only if there is news, of a quiet shard too', () => {
    const scene = new Scene(AGE_MS);
    scene.write(3);
    scene.runPolling(AGE_MS - 10_000);
    expect(scene.written()).toEqual([0, 0, 0]);
    expect(scene.hosts.leader(GROUP).replica(GROUP).raft.quiesced).toBe(true);
    scene.runPolling(20_000);
    expect(scene.written()).toEqual([1, 1, 1]);
    scene.runPolling(3 * AGE_MS);
    expect(scene.written()).toEqual([1, 1, 1]);
    scene.write(1);
    scene.runPolling(10_000);
    expect(scene.written()).toEqual([2, 2, 2]);
  });

  it('are not written when that is turned off', () => {
    const scene = new Scene(0);
    scene.write(3);
    scene.runPolling(3 * AGE_MS);
    expect(scene.written()).toEqual([0, 0, 0]);
  });
});
