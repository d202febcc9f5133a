/**
 * What kind of run a seed stands for: a swarm. Each seed has its own size of cluster, clients, network, clocks and
 * limits, and its own selection of fault kinds with their rate: with some kinds off, the others go deeper, and what a
 * mixture of everything would hide comes to light. All of it is drawn from the seed, and printed with it.
 */
import type { Prng } from '../../src/base/index.js';
import { DAMAGE_KINDS, FAULT_KINDS, type FaultKind } from './fault-plan.js';
import type { SimNetworkOptions } from './world/network.js';

export interface Swarm {
  readonly nodes: number;
  readonly shards: number;
  readonly replicas: number;
  readonly clients: ClientCounts;
  /** Longest pause of a client between two requests. */
  readonly thinkMsMax: number;
  readonly network: NetworkProfile;
  readonly checkpointEntries: number;
  readonly checkpointBytes: number;
  /** Bytes of commands that a node holds unanswered; small ones make nodes refuse. */
  readonly inflightBytesMax: number;
  /** What a node gives to tables; null: no limit. */
  readonly memory: MemoryLimits | null;
  readonly kinds: readonly FaultKind[];
  readonly faultsPerSecond: number;
  /** The machine whose disk may do what no machine could bear alone; null: every disk is honest. */
  readonly weakMachine: number | null;
  /** The weak machine is not repaired at the end: the others must do without it. */
  readonly isWeakLeftOut: boolean;
}

/** 0: no limit. */
export interface MemoryLimits {
  readonly bytesMax: number;
  readonly itemsMax: number;
}

/** How many clients of each kind a run has. */
export interface ClientCounts {
  readonly resp: number;
  readonly sdk: number;
  readonly scanners: number;
}

export const NETWORK_PROFILES = {
  near: { delayMs: [0.05, 0.5] },
  usual: { delayMs: [0.1, 2] },
  uneven: { delayMs: [0.1, 25], reorder: 0.05 },
  far: { delayMs: [15, 30] },
  lossy: { delayMs: [0.1, 4], loss: 0.02, duplicate: 0.02, reorder: 0.05 },
} as const satisfies Record<string, Partial<SimNetworkOptions>>;
export type NetworkProfile = keyof typeof NETWORK_PROFILES;
const PROFILES = Object.keys(NETWORK_PROFILES) as NetworkProfile[];

const KIND_ON = 0.5;
/** Damage makes a replica silent for the rest of a run: most runs shall have all of them to the end. */
const DAMAGE_ON = 0.3;
const LEFT_OUT = 0.25;
const BUDGET_ON = 0.3;

/** `only`: these kinds of fault and no others; `fixed`: what is not drawn. */
export function drawSwarm(prng: Prng, only: readonly FaultKind[] | null, fixed: Partial<Swarm> = {}): Swarm {
  const size = prng.unit();
  const nodes = fixed.nodes ?? (size < 0.5 ? 3 : size < 0.6 ? 1 : size < 0.8 ? 4 : 5);
  const replicas = fixed.replicas ?? Math.min(nodes, nodes === 5 && prng.chance(0.3) ? 5 : 3);
  const hasWeak = replicas >= 3 && prng.chance(DAMAGE_ON);
  const drawn = FAULT_KINDS.filter((kind) => {
    const isOn = prng.chance(KIND_ON);
    return isOn && (hasWeak || !isDamage(kind));
  });
  const wanted = only === null ? drawn : [...only];
  // Without a spare node nobody can take a member's place.
  const isPossible = (kind: FaultKind): boolean => kind !== 'membership' || nodes > replicas;
  const kinds = wanted.filter((kind) => (nodes > 1 || !NEED_PEERS.has(kind)) && isPossible(kind));
  if (kinds.length === 0) kinds.push('crash');
  const weakMachine = prng.below(nodes);
  const mayBeWeak = replicas >= 3 && (only === null ? hasWeak : only.some(isDamage));
  const drawnFirst = {
    nodes,
    shards: prng.between(2, 5),
    replicas,
    clients: { resp: prng.between(2, 4), sdk: prng.between(3, 5), scanners: 1 },
    thinkMsMax: prng.pick([15, 40, 120]),
    network: prng.pick(PROFILES),
    checkpointEntries: prng.between(16, 48),
    checkpointBytes: prng.between(4, 24) * 1024,
    inflightBytesMax: prng.chance(0.15) ? 2048 : 64 * 1024 * 1024,
    kinds,
    faultsPerSecond: prng.pick([1, 2.5, 5]),
    weakMachine: mayBeWeak ? weakMachine : null,
    isWeakLeftOut: mayBeWeak && prng.chance(LEFT_OUT),
  };
  // Drawn last, so that what a seed stood for before it was there stays.
  const memory = prng.chance(BUDGET_ON) ? drawMemory(prng, fixed.shards ?? drawnFirst.shards) : null;
  const swarm = { ...drawnFirst, memory, ...fixed };
  // Scanners keep keys of their own that nobody may take away.
  return swarm.memory === null ? swarm : { ...swarm, clients: { ...swarm.clients, scanners: 0 } };
}

/** So little that a handful of keys are too many for a shard, and so much that one value of the workload has room. */
function drawMemory(prng: Prng, shards: number): MemoryLimits {
  if (prng.chance(0.5)) return { bytesMax: 0, itemsMax: shards * prng.between(2, 5) };
  return { bytesMax: shards * prng.between(2200, 4000), itemsMax: 0 };
}

function isDamage(kind: FaultKind): boolean {
  return (DAMAGE_KINDS as readonly FaultKind[]).includes(kind);
}

/** Without peers these would be no faults at all, or lose what only peers could give back. */
const NEED_PEERS: ReadonlySet<FaultKind> = new Set([
  'partition',
  'one_way',
  'isolate_leader',
  'transfer',
  'clock_jump',
  ...DAMAGE_KINDS,
]);

/** One line: enough to understand a run without playing it. */
export function describeSwarm(swarm: Swarm): string {
  const { clients } = swarm;
  const weak = swarm.weakMachine === null ? 'none' : `n${swarm.weakMachine + 1}`;
  return [
    `${swarm.nodes} nodes`,
    `${swarm.shards} shards`,
    `${swarm.replicas} replicas`,
    `clients ${clients.resp} resp ${clients.sdk} sdk ${clients.scanners} scan`,
    `think ${swarm.thinkMsMax} ms`,
    `network ${swarm.network}`,
    `checkpoint after ${swarm.checkpointEntries} entries or ${swarm.checkpointBytes} bytes`,
    ...(swarm.memory === null
      ? []
      : [`memory ${swarm.memory.bytesMax} bytes ${swarm.memory.itemsMax} items`]),
    ...(swarm.inflightBytesMax < 1024 * 1024 ? [`in flight ${swarm.inflightBytesMax} bytes`] : []),
    `weak disk ${weak}${swarm.isWeakLeftOut ? ' (left out at the end)' : ''}`,
    `${swarm.faultsPerSecond} faults/s of ${swarm.kinds.join(' ')}`,
  ].join(', ');
}
