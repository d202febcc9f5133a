/**
 * One run: a cluster is born, clients work while faults happen, everything is repaired, the cluster must converge,
 * every key is read once more, and the history must be linearizable. A run is a function of its options: the same
 * ones give the same trace hash.
 */
import { Prng } from '../../src/base/index.js';
import { ClientEngine } from '../../src/client/index.js';
import type { CreateNode } from '../../src/node/api.js';
import { checkHistory } from '../support/check-history.js';
import { encodeHistory, History } from '../support/history-record.js';
import { SafetyCheckers } from './checkers.js';
import { SimConnection } from './clients.js';
import { whatIsAwake, whatIsMissing } from './converge.js';
import { CLOCK_OFFSET_MS_MAX, Faults, type FaultKind } from './faults.js';
import { SimScanner } from './scan-client.js';
import { SdkCounters, SimSdkClient, type CreateEngine, type SdkWorld } from './sdk-client.js';
import { ALL_KEYS } from './workload.js';
import { SimCluster, type ClusterOptions } from './world/cluster.js';
import { SimLoop } from './world/loop.js';
import { SimNetwork } from './world/network.js';

export interface RunOptions {
  readonly seed: number;
  /** Operations to acknowledge before the faults end; less than `STEPS_MIN` say too little. */
  readonly steps: number;
  readonly createNode: CreateNode;
  /** Only these kinds of fault; null draws a selection. */
  readonly faults?: readonly FaultKind[] | null;
  readonly cluster?: Partial<ClusterOptions>;
  readonly clients?: Partial<ClientCounts>;
  /** The SDK's clients are made by this; the SDK itself when left out. */
  readonly createEngine?: CreateEngine;
  readonly print?: ((line: string) => void) | null;
}

/** How many clients of each kind a run has. */
export interface ClientCounts {
  readonly resp: number;
  readonly sdk: number;
  readonly scanners: number;
}

/** At least half of what is asked comes through the SDK. */
const CLIENTS: ClientCounts = { resp: 2, sdk: 3, scanners: 1 };
const RESP_LANES_MAX = 3;
const SDK_LANES_MAX = 4;

export interface RunReport {
  readonly seed: number;
  /** null when the run passed. */
  readonly failure: string | null;
  /** The nodes' last log lines; only of a failed run. */
  readonly logs: readonly string[];
  /** JSON lines (docs/testing.md). */
  readonly history: () => string;
  readonly acknowledged: number;
  readonly failed: number;
  readonly unknown: number;
  readonly elections: number;
  readonly crashes: number;
  readonly partitions: number;
  readonly snapshots: number;
  readonly checkpoints: number;
  /** How often a replica fell asleep. */
  readonly quiesces: number;
  /** Whole walks of SCAN, and those of them that saw an election. */
  readonly walks: number;
  readonly walksAcrossElections: number;
  readonly clientCuts: number;
  readonly sdk: SdkCounters;
  readonly events: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

export const STEPS_MIN = 200;
/** Virtual time that each part of a run may take. */
const BIRTH_MS_MAX = 60_000;
const FAULTS_MS_MAX = 120_000;
/** Also with next to no faults a run lasts this long, so that clocks and checkpoints have their part. */
const FAULTS_MS_MIN = 5_000;
const RECOVERY_MS_MAX = 30_000;
/** Slack of expiry: two clocks off in opposite directions, and some for rates and for the way of a command. */
const EXPIRY_BOUNDS = { earlyMs: 2 * CLOCK_OFFSET_MS_MAX + 50, lateMs: 2 * CLOCK_OFFSET_MS_MAX + 5_000 };
/** How often a condition is looked at, in virtual milliseconds. */
const POLL_MS = 20;

export class LivenessFailure extends Error {
  override readonly name = 'LivenessFailure';
}

export function runSimulation(options: RunOptions): RunReport {
  const run = new Run(options);
  let failure: string | null = null;
  try {
    run.play();
  } catch (error) {
    failure = error instanceof Error ? describeError(error) : String(error);
  }
  return run.report(failure);
}

/** A checker's words suffice; of anything else, the place matters too. */
function describeError(error: Error): string {
  const ours = [
    'SafetyViolation',
    'LivenessFailure',
    'HistoryViolation',
    'NodeFailure',
    'SdkViolation',
    'ScanViolation',
  ].includes(error.name);
  return ours ? `${error.name}: ${error.message}` : (error.stack ?? `${error.name}: ${error.message}`);
}

class Run {
  private readonly loop = new SimLoop();
  private readonly history = new History();
  private readonly checkers = new SafetyCheckers(this.loop);
  private readonly network: SimNetwork;
  private readonly cluster: SimCluster;
  private readonly faults: Faults;
  private readonly connections: SimConnection[] = [];
  private readonly sdkClients: SimSdkClient[] = [];
  private readonly scanners: SimScanner[] = [];
  private readonly sdk = new SdkCounters();
  private readonly steps: number;

  constructor(private readonly options: RunOptions) {
    const { loop, checkers } = this;
    const prng = new Prng(options.seed);
    this.steps = Math.max(options.steps, STEPS_MIN);
    this.network = new SimNetwork(loop, prng.stream('network'), {});
    const drawn = drawCluster(prng.stream('cluster'), options.print ?? null);
    this.cluster = new SimCluster(loop, this.network, prng.stream('nodes'), options.createNode, checkers, {
      ...drawn,
      ...options.cluster,
    });
    this.cluster.onRestart = (node) => checkers.onRestart(node);
    this.createClients(prng.stream('clients'));
    const clients = [...this.connections, ...this.sdkClients, ...this.scanners].map((c) => c.owner);
    const faults = prng.stream('faults');
    this.faults = new Faults(
      { loop, cluster: this.cluster, network: this.network, checkers, prng: faults, clients },
      options.faults ?? null,
    );
    loop.afterEvent = () => this.checkAfterEvent();
  }

  private createClients(prng: Prng): void {
    const { loop, history, checkers, network, options } = this;
    const counts = { ...CLIENTS, ...options.clients };
    const world = {
      loop,
      history,
      checkers,
      addresses: this.cluster.addresses,
      connect: network.connectStream.bind(network),
    };
    const sdkWorld = {
      loop,
      history,
      checkers,
      addresses: this.cluster.machines.map((m) => m.settings.grpc),
      transport: network.cacheTransport.bind(network),
      createEngine: options.createEngine ?? ((ports, engine) => new ClientEngine(ports, engine)),
      counters: this.sdk,
    } satisfies SdkWorld;
    for (let i = 0; i < counts.resp; i++) {
      const lanes = prng.between(1, RESP_LANES_MAX);
      this.connections.push(new SimConnection(world, prng.stream(`${i}`), i, lanes));
    }
    for (let i = 0; i < counts.sdk; i++) {
      const lanes = prng.between(2, SDK_LANES_MAX);
      this.sdkClients.push(new SimSdkClient(sdkWorld, prng.stream(`sdk ${i}`), i, lanes));
    }
    for (let i = 0; i < counts.scanners; i++) {
      this.scanners.push(new SimScanner(world, prng.stream(`scanner ${i}`)));
    }
  }

  play(): void {
    this.birth();
    for (const client of [...this.askers, ...this.scanners]) client.start();
    this.faults.start();
    this.work();
    this.recover();
    this.readEverything();
    this.checkHistory();
  }

  report(failure: string | null): RunReport {
    for (const machine of this.cluster.machines) this.cluster.countLife(machine);
    return {
      seed: this.options.seed,
      failure,
      logs: failure === null ? [] : this.cluster.machines.flatMap((m) => m.log.tail()).sort(),
      history: () => encodeHistory(this.history.lines()),
      acknowledged: this.history.acknowledged,
      failed: this.history.failed,
      unknown: this.history.unknown,
      elections: this.checkers.elections,
      crashes: this.cluster.crashes,
      partitions: this.faults.partitions,
      snapshots: this.checkers.snapshots,
      checkpoints: this.cluster.checkpoints,
      quiesces: this.cluster.quiesces,
      walks: sum(this.scanners, (s) => s.walks),
      walksAcrossElections: sum(this.scanners, (s) => s.walksAcrossElections),
      clientCuts: this.faults.clientCuts,
      sdk: this.sdk,
      events: this.loop.eventsRun,
      virtualMs: this.loop.now(),
      traceHash: this.loop.traceHash(),
    };
  }

  // ---- the parts of a run ----------------------------------------------------------------------------------------

  private birth(): void {
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    let founded = false;
    this.cluster.init(() => {
      founded = true;
    });
    this.until(BIRTH_MS_MAX, () =>
      founded && this.cluster.ready ? null : 'the cluster is not ready after init',
    );
  }

  /** Under faults: until enough was acknowledged, or time is up. */
  private work(): void {
    const beginMs = this.loop.now();
    while (this.loop.now() < beginMs + FAULTS_MS_MAX) {
      this.loop.runUntil(this.loop.now() + POLL_MS);
      if (this.history.acknowledged >= this.steps && this.loop.now() >= beginMs + FAULTS_MS_MIN) return;
    }
  }

  private recover(): void {
    this.faults.stop();
    for (const asker of this.askers) asker.demandWrite();
    this.until(RECOVERY_MS_MAX, () => {
      const waiting = this.askers.filter((c) => !c.wroteSince).length;
      if (waiting > 0) return `${waiting} clients without a successful write after the repair`;
      return this.history.acknowledged >= STEPS_MIN ? null : `only ${this.history.acknowledged} acknowledged`;
    });
    const clients = [...this.askers, ...this.scanners];
    for (const client of clients) client.stop();
    this.until(RECOVERY_MS_MAX, () => (clients.every((c) => c.idle) ? null : 'requests without an answer'));
    this.until(RECOVERY_MS_MAX, () => whatIsMissing(this.cluster));
    this.until(RECOVERY_MS_MAX, () => whatIsAwake(this.cluster));
  }

  private readEverything(): void {
    for (const reader of [this.connections[0], this.sdkClients[0]]) {
      reader?.readAll(ALL_KEYS);
      this.until(RECOVERY_MS_MAX, () =>
        reader?.readAllDone === false ? 'the last reads are not answered' : null,
      );
    }
  }

  private checkHistory(): void {
    const failure = checkHistory(this.history, EXPIRY_BOUNDS);
    if (failure === null) return;
    const error = new Error(`key ${failure.key}: ${failure.what}\n${failure.lines}`);
    error.name = 'HistoryViolation';
    throw error;
  }

  /** Those who ask what the history records. */
  private get askers(): (SimConnection | SimSdkClient)[] {
    return [...this.connections, ...this.sdkClients];
  }

  // ---- helpers ---------------------------------------------------------------------------------------------------

  /** Runs until `missing` says null; its last words are the failure when that takes longer than `msMax`. */
  private until(msMax: number, missing: () => string | null): void {
    const endMs = this.loop.now() + msMax;
    for (;;) {
      const what = missing();
      if (what === null) return;
      if (this.loop.now() >= endMs) throw new LivenessFailure(`after ${msMax} ms without faults: ${what}`);
      this.loop.runUntil(this.loop.now() + POLL_MS);
    }
  }

  private checkAfterEvent(): void {
    this.checkers.check();
    if (this.cluster.failure !== null) {
      const error = new Error(this.cluster.failure);
      error.name = 'NodeFailure';
      throw error;
    }
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** Small limits, so that checkpoints and snapshots happen in seconds. Most clusters are the usual three nodes. */
function drawCluster(prng: Prng, print: ClusterOptions['print']): ClusterOptions {
  const nodes = prng.chance(0.85) ? 3 : prng.pick([1, 5]);
  return {
    nodes,
    shards: prng.between(2, 4),
    replicas: Math.min(nodes, 3),
    checkpointEntries: prng.between(16, 32),
    checkpointBytes: prng.between(4, 16) * 1024,
    print,
  };
}
