/**
 * One run, of the kind that its seed draws (swarm.ts). A phase of safety: a cluster is born, and clients work while
 * faults happen. Then a phase of liveness: everything is repaired, or all but a minority, and within bounded time every
 * client must write, every shard must take a write and a read, and the cluster must converge. At last the history must
 * be linearizable. A run is a function of its options: the same ones give the same trace hash.
 */
import { Prng } from '../../src/base/index.js';
import { ClientEngine } from '../../src/client/index.js';
import { checkHistory } from '../support/check-history.js';
import { encodeHistory, History } from '../support/history-record.js';
import { SafetyCheckers } from './checkers.js';
import { SimConnection } from './clients.js';
import { whatIsAwake, whatIsMissing } from './converge.js';
import { expiryBounds } from './expiry-bounds.js';
import { planFaults, type FaultKind, type PlannedFault } from './fault-plan.js';
import { Faults } from './faults.js';
import { FeedReaders } from './feed-readers.js';
import { MarkingObserver, Marks, type Mark } from './marks.js';
import { SimScanner } from './scan-client.js';
import { SdkCounters, SimSdkClient, type CreateEngine, type SdkWorld } from './sdk-client.js';
import { drawSwarm, NETWORK_PROFILES, type Swarm } from './swarm.js';
import { ShardVerification } from './verify-shards.js';
import { ALL_KEYS, PROBES } from './workload.js';
import { SimCluster, type CreateSimNode } from './world/cluster.js';
import { SimLoop } from './world/loop.js';
import { SimNetwork } from './world/network.js';

export interface RunOptions {
  readonly seed: number;
  /** Operations to acknowledge before the faults end; less than `STEPS_MIN` say too little. */
  readonly steps: number;
  readonly createNode: CreateSimNode;
  /** Only these kinds of fault; null draws a selection. */
  readonly faults?: readonly FaultKind[] | null;
  /** Of the faults planned only those with these numbers; null: all. */
  readonly onlyFaults?: ReadonlySet<number> | null;
  /** What is not to be drawn. */
  readonly swarm?: Partial<Swarm>;
  /** The SDK's clients are made by this; the SDK itself when left out. */
  readonly createEngine?: CreateEngine;
  readonly print?: ((line: string) => void) | null;
}

/** Requests that a client has under way. */
const RESP_LANES_MAX = 5;
const SDK_LANES_MAX = 6;

export interface RunReport {
  readonly seed: number;
  readonly swarm: Swarm;
  /** null when the run passed. */
  readonly failure: string | null;
  /** Who found it: the name of the error; '' when the run passed. */
  readonly checker: string;
  /** The faults that were played, in order. */
  readonly faults: readonly PlannedFault[];
  /** Rare paths taken (marks.ts). */
  readonly marks: ReadonlyMap<Mark, number>;
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
  /** Events that readers of change feeds got, and how often they went to another replica. */
  readonly feedEvents: number;
  readonly feedMoves: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

export const STEPS_MIN = 200;
/** Virtual time that each part of a run may take. */
const BIRTH_MS_MAX = 60_000;
const FAULTS_MS_MAX = 40_000;
/** Also with next to no faults a run lasts this long, so that clocks and checkpoints have their part. */
const FAULTS_MS_MIN = 5_000;
/** But no longer than it takes to acknowledge so many: quick clients on a quick network say nothing new after that. */
const OPERATIONS_MAX = 6_000;
const RECOVERY_MS_MAX = 30_000;
/** How often a condition is looked at, in virtual milliseconds. */
const POLL_MS = 20;

export class LivenessFailure extends Error {
  override readonly name = 'LivenessFailure';
}

export function runSimulation(options: RunOptions): RunReport {
  const run = new Run(options);
  try {
    run.play();
  } catch (error) {
    if (!(error instanceof Error)) return run.report(String(error), 'thrown');
    return run.report(describeError(error), error.name);
  }
  return run.report(null, '');
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
    'FeedViolation',
    'UnexpectedReply',
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
  private readonly feeds: FeedReaders;
  private readonly connections: SimConnection[] = [];
  private readonly sdkClients: SimSdkClient[] = [];
  private readonly scanners: SimScanner[] = [];
  private readonly sdk = new SdkCounters();
  private readonly marks = new Marks();
  private readonly steps: number;
  private readonly swarm: Swarm;

  constructor(private readonly options: RunOptions) {
    const { loop, checkers, marks } = this;
    const prng = new Prng(options.seed);
    this.steps = Math.max(options.steps, STEPS_MIN);
    const swarm = drawSwarm(prng.stream('swarm'), options.faults ?? null, options.swarm ?? {});
    this.swarm = swarm;
    this.network = new SimNetwork(loop, prng.stream('network'), NETWORK_PROFILES[swarm.network]);
    const observer = new MarkingObserver(checkers, marks);
    this.cluster = new SimCluster(loop, this.network, prng.stream('nodes'), options.createNode, observer, {
      ...swarm,
      print: options.print ?? null,
    });
    this.cluster.marks = marks;
    this.cluster.onRestart = (node) => {
      checkers.onRestart(node);
      observer.onRestart(node);
    };
    this.feeds = new FeedReaders(this.cluster, marks, prng.stream('feeds'));
    this.createClients(prng.stream('clients'));
    const clients = [...this.connections, ...this.sdkClients, ...this.scanners].map((c) => c.owner);
    const plan = planFaults(prng.stream('faults'), swarm.kinds, swarm.faultsPerSecond, FAULTS_MS_MAX);
    const only = options.onlyFaults ?? null;
    this.faults = new Faults(
      { loop, cluster: this.cluster, network: this.network, checkers, swarm, clients },
      only === null ? plan : plan.filter(({ number }) => only.has(number)),
    );
    loop.afterEvent = () => this.checkAfterEvent();
  }

  private createClients(prng: Prng): void {
    const { loop, history, checkers, network, options } = this;
    const { clients: counts, thinkMsMax } = this.swarm;
    const world = {
      loop,
      history,
      checkers,
      addresses: this.cluster.addresses,
      connect: network.connectStream.bind(network),
      thinkMsMax,
    };
    const sdkWorld = {
      loop,
      history,
      checkers,
      addresses: this.cluster.machines.map((m) => m.settings.grpc),
      transport: network.cacheTransport.bind(network),
      createEngine: options.createEngine ?? ((ports, engine) => new ClientEngine(ports, engine)),
      counters: this.sdk,
      thinkMsMax,
    } satisfies SdkWorld;
    for (let i = 0; i < counts.resp; i++) {
      const lanes = prng.between(2, RESP_LANES_MAX);
      this.connections.push(new SimConnection(world, prng.stream(`${i}`), i, lanes));
    }
    for (let i = 0; i < counts.sdk; i++) {
      const lanes = prng.between(3, SDK_LANES_MAX);
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
    this.askEveryShard();
    const verification = new ShardVerification(this.cluster);
    this.until(RECOVERY_MS_MAX, () => verification.missing());
    this.until(RECOVERY_MS_MAX, () => whatIsMissing(this.cluster));
    this.until(RECOVERY_MS_MAX, () => this.feeds.missing());
    this.checkHistory();
  }

  report(failure: string | null, checker: string): RunReport {
    for (const machine of this.cluster.machines) this.cluster.countLife(machine);
    this.marks.hit('outcome_unknown', this.history.unknown);
    this.marks.hit('stale_frame', this.network.counters.framesStale);
    for (const [code, count] of this.sdk.codes)
      if (code.endsWith('OVERLOADED')) this.marks.hit('overloaded', count);
    return {
      seed: this.options.seed,
      swarm: this.swarm,
      failure,
      checker,
      faults: this.faults.played,
      marks: this.marks.counts,
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
      feedEvents: this.feeds.events,
      feedMoves: this.feeds.moves,
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
      this.step();
      const { acknowledged } = this.history;
      if (acknowledged >= Math.max(this.steps, OPERATIONS_MAX)) return;
      if (acknowledged >= this.steps && this.loop.now() >= beginMs + FAULTS_MS_MIN) return;
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

  /** Every shard takes a write and answers reads, by both doors. */
  private askEveryShard(): void {
    const [connection] = this.connections;
    connection?.writeAll(PROBES);
    this.until(RECOVERY_MS_MAX, () =>
      connection?.scriptDone === false ? 'the last writes are not acknowledged' : null,
    );
    for (const reader of [connection, this.sdkClients[0]]) {
      reader?.readAll([...ALL_KEYS, ...PROBES]);
      this.until(RECOVERY_MS_MAX, () =>
        reader?.scriptDone === false ? 'the last reads are not answered' : null,
      );
    }
  }

  private checkHistory(): void {
    const failure = checkHistory(this.history, {
      ...expiryBounds(this.swarm.kinds, this.faults.jumps),
      evicts: this.swarm.memory !== null,
    });
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
      this.step();
    }
  }

  private step(): void {
    this.loop.runUntil(this.loop.now() + POLL_MS);
    this.feeds.poll();
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
