/**
 * `quorate shard verify` among whole nodes: replicas that hold the same are equal, while clients write and members
 * change; one that was made to differ, one whose memory rots and one that is gone are told from the others.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/index.js';
import { createKv, type Kv } from '../../src/kv/index.js';
import { createNode } from '../../src/node/index.js';
import type {
  ByteStream,
  ControlFailure,
  ControlMethods,
  ReplicaObserver,
  ReplicaVerdict,
  Verdict,
} from '../../src/ports/index.js';
import { createRaft } from '../../src/raft/index.js';
import { flipValueBit } from '../support/memory-rot.js';
import { SafetyCheckers } from './checkers.js';
import { encodeRequest, RespReplies } from './resp-replies.js';
import { SimCluster, type Machine } from './world/cluster.js';
import { SimLoop } from './world/loop.js';
import { SimNetwork } from './world/network.js';

type Verified = ControlMethods['verify']['response'];

const RUN_MS_MAX = 80_000;
const SHARD = 1;
const KEYS = 300;

/** Hears everything and has no opinion: for states that are made to differ. */
const INDIFFERENT: ReplicaObserver = {
  onRole: () => undefined,
  onAppend: () => undefined,
  onCommit: () => undefined,
  onApply: () => undefined,
  onSnapshot: () => undefined,
};

class VerifyWorld {
  readonly loop = new SimLoop();
  readonly cluster: SimCluster;
  private readonly network: SimNetwork;
  /** The state machine of shard 1 on each machine, of its present life. */
  readonly kvs = new Map<string, Kv>();
  private readonly stream: ByteStream;
  private answers = 0;
  private asked = 0;

  constructor(seed: number, isWatched: boolean, nodes = 3) {
    const checkers = isWatched ? new SafetyCheckers(this.loop) : null;
    const prng = new Prng(seed);
    this.network = new SimNetwork(this.loop, prng.stream('network'), {});
    this.cluster = new SimCluster(
      this.loop,
      this.network,
      prng.stream('nodes'),
      (ports, settings, onRaft) => {
        const name = settings.grpc;
        return createNode(ports, settings, {
          createRaft: (options, initial) => {
            const raft = createRaft(options, initial);
            onRaft(raft);
            return raft;
          },
          createKv: (options) => {
            const kv = createKv(options);
            this.kvs.set(name, kv);
            return kv;
          },
        });
      },
      checkers ?? INDIFFERENT,
      {
        nodes,
        shards: 1,
        replicas: 3,
        checkpointEntries: 1_000_000,
        checkpointBytes: 1 << 30,
        inflightBytesMax: 64 << 20,
        print: null,
      },
    );
    if (checkers !== null) {
      this.cluster.onRestart = (node) => checkers.onRestart(node);
      this.loop.afterEvent = () => checkers.check();
    }
    let founded = false;
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    this.cluster.init(() => {
      founded = true;
    });
    this.until('born', () => founded && this.cluster.ready);
    const replies = new RespReplies();
    const address = this.cluster.addresses[0] as string;
    this.stream = this.network.connectStream(this.loop.owner(), address, {
      onData: (bytes) => {
        for (const reply of replies.push(bytes)) {
          expect(reply.kind).not.toBe('error');
          this.answers++;
        }
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    });
  }

  until(what: string, holds: () => boolean, msMax = 60_000): void {
    const endMs = this.loop.now() + msMax;
    while (!holds()) {
      if (this.loop.now() > endMs) throw new Error(`not within ${msMax} ms: ${what}`);
      this.loop.runUntil(this.loop.now() + 10);
    }
  }

  send(...parts: string[]): void {
    this.asked++;
    this.stream.write(encodeRequest(parts));
  }

  settle(): void {
    this.until('answered', () => this.answers === this.asked);
    const versions = (): number[] =>
      this.cluster.machines
        .filter(({ life }) => life !== null)
        .flatMap(({ settings }) => this.kvs.get(settings.grpc)?.lastVersion ?? []);
    this.until('applied everywhere', () => new Set(versions()).size === 1);
  }

  fill(): void {
    for (let i = 0; i < KEYS; i++) this.send('SET', `key-${i}`, `value-${i}`);
    this.settle();
  }

  /** Asks one machine's node, as the command line does. */
  ask(machine: Machine, group = SHARD, timeoutMs = 20_000): Verified | ControlFailure {
    const { client } = this.network.control(this.loop.owner());
    let answer: Verified | ControlFailure | null = null;
    client.call(
      machine.settings.grpc,
      'verify',
      { group, timeoutMs },
      timeoutMs + 2000,
      (failure, response) => {
        answer = response ?? failure;
      },
    );
    this.until('verified', () => answer !== null);
    return answer as unknown as Verified | ControlFailure;
  }

  verify(machine: Machine): Verified {
    const answer = this.ask(machine);
    if ('code' in answer) throw new Error(`${answer.code}: ${answer.message}`);
    return answer;
  }

  machine(index: number): Machine {
    return this.cluster.machines[index] as Machine;
  }

  kv(index: number): Kv {
    return this.kvs.get(this.machine(index).settings.grpc) as Kv;
  }
}

function verdictOn(machine: Machine, { replicas }: Verified): ReplicaVerdict | undefined {
  return replicas.find(({ node }) => node === machine.nodeId);
}

/** By machine. */
function verdicts(world: VerifyWorld, answer: Verified): (Verdict | undefined)[] {
  return world.cluster.machines.map((machine) => verdictOn(machine, answer)?.verdict);
}

test(
  'replicas that hold the same are equal, whichever node is asked, while clients write',
  { timeout: RUN_MS_MAX },
  () => {
    const world = new VerifyWorld(1, true);
    world.fill();
    const before = world.kv(0).lastVersion;
    for (let i = 0; i < 3; i++) {
      for (let n = 0; n < 50; n++) world.send('INCRBYFLOAT', `f${n % 7}`, '0.1');
      const answer = world.verify(world.machine(i));
      expect(verdicts(world, answer)).toEqual(['equal', 'equal', 'equal']);
      expect(answer.differsFrom).toBe(0);
      for (const replica of answer.replicas) {
        expect(replica.items).toBeGreaterThanOrEqual(KEYS);
        expect(replica.rehashedIndex).toBeGreaterThanOrEqual(answer.index);
      }
      world.settle();
    }
    expect(world.kv(0).lastVersion).toBe(before + 150);
  },
);

test('a replica whose memory rots is told, and a restart heals it', { timeout: RUN_MS_MAX }, () => {
  const world = new VerifyWorld(2, true);
  world.fill();
  flipValueBit(world.kv(1), 'key-17');
  const answer = world.verify(world.machine(0));
  expect(verdicts(world, answer)).toEqual(['equal', 'rotten', 'equal']);
  // The state that is kept by sum shows nothing of it: the hashes are the same.
  expect(new Set(answer.replicas.map(({ hash }) => hash)).size).toBe(1);
  world.cluster.crash(world.machine(1), 'kill');
  world.cluster.start(world.machine(1));
  world.until('ready', () => world.cluster.ready);
  expect(verdicts(world, world.verify(world.machine(1)))).toEqual(['equal', 'equal', 'equal']);
});

test('a replica with another state is told, and from which index on', { timeout: RUN_MS_MAX }, () => {
  const world = new VerifyWorld(3, false);
  world.fill();
  const kv = world.kv(2);
  const apply = kv.apply.bind(kv);
  let from = 0;
  // Every replica applies the same entry; this one reads its last byte, of a value, otherwise.
  kv.apply = (index, term, data, results) => {
    const changed = data.slice();
    if (from === 0 && data.length > 40) {
      from = index;
      changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1;
    }
    apply(index, term, changed, results);
  };
  for (let i = 0; i < 20; i++) {
    world.send('SET', `more-${i}`, 'a value of some length');
    world.settle();
  }
  const answer = world.verify(world.machine(1));
  expect(verdicts(world, answer)).toEqual(['equal', 'equal', 'differs']);
  expect(answer.differsFrom).toBe(from);
  expect(verdictOn(world.machine(2), answer)?.detail).toContain('not the one most have');
});

test(
  'a node that is down is unreachable, the others are verified all the same',
  { timeout: RUN_MS_MAX },
  () => {
    const world = new VerifyWorld(4, true);
    world.fill();
    world.cluster.crash(world.machine(2), 'kill');
    world.until('led', () => world.cluster.leaders(SHARD).length === 1);
    const answer = world.verify(world.machine(0));
    expect(verdicts(world, answer)).toEqual(['equal', 'equal', 'unreachable']);
    expect(verdictOn(world.machine(2), answer)?.detail).not.toBe('');
  },
);

test(
  'a node without a replica passes the question on; without a majority, or such a shard, it is refused',
  { timeout: RUN_MS_MAX },
  () => {
    const world = new VerifyWorld(5, true, 4);
    world.fill();
    const holders = new Set(world.verify(world.machine(0)).replicas.map(({ node }) => node));
    const outside = world.cluster.machines.find(({ nodeId }) => !holders.has(nodeId)) as Machine;
    expect(world.verify(outside).replicas.map(({ verdict }) => verdict)).toEqual(['equal', 'equal', 'equal']);
    expect(world.ask(outside, 2)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(world.ask(outside, 0)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const downs = world.cluster.machines.filter(({ nodeId }) => holders.has(nodeId)).slice(0, 2);
    for (const machine of downs) world.cluster.crash(machine, 'kill');
    expect(world.ask(outside, SHARD, 3000)).toHaveProperty('code');
  },
);
