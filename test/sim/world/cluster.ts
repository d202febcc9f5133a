/**
 * Whole nodes in one process: what `createNode` wires, over simulated ports. A machine here is a disk, clocks and an
 * address, which outlive the lives of the node that runs on it. Each life has its own owner in the loop, so that a
 * crash ends its timers, completions and streams at once.
 *
 * A `fatal` of a node ends its life, as it ends a process. Without an injected disk fault it also fails the run, and
 * a broken invariant (an exception out of an event) always does. A machine whose disk was damaged may end for good.
 */
import { crc32 } from '../../../src/adapters/crc32.js';
import {
  MetricsRegistry,
  must,
  type FatalReason,
  type GroupId,
  type NodeId,
  type Prng,
} from '../../../src/base/index.js';
import type { Kv } from '../../../src/kv/index.js';
import type { Node, NodePorts, NodeStatus } from '../../../src/node/api.js';
import type {
  ControlClient,
  ControlFailure,
  ControlMethods,
  InitRequest,
  LogFields,
  ReplicaObserver,
} from '../../../src/ports/index.js';
import type { Raft } from '../../../src/raft/index.js';
import { nodeSettingsSchema, type NodeSettings } from '../../../src/settings/index.js';
import { SimDisk } from './disk.js';
import { WORLD, type Owner, type SimLoop } from './loop.js';
import type { SimNetwork } from './network.js';
import { KeptLog, NodeClock, NodeTimers, plainCompressor, SeededEntropy } from './ports.js';

export type CrashKind = 'kill' | 'power';

/** A node as under test; it tells of every consensus core and every state machine that it builds. */
export type CreateSimNode = (
  ports: NodePorts,
  settings: NodeSettings,
  onRaft: (raft: Raft) => void,
  onKv: (kv: Kv) => void,
) => Node;

export interface ClusterOptions {
  readonly nodes: number;
  readonly shards: number;
  readonly replicas: number;
  readonly checkpointEntries: number;
  readonly checkpointBytes: number;
  readonly inflightBytesMax: number;
  /** Of each node; smaller than the settings' schema would let through. */
  readonly memory?: { readonly bytesMax: number; readonly itemsMax: number } | null;
  /** Prints log lines as they come; null keeps only the last ones. */
  readonly print: ((line: string) => void) | null;
  /** How leaders confirm reads; drawn when left out. */
  readonly reads?: 'lease' | 'quorum';
}

/** Who notes that rare paths were taken (marks.ts). */
export interface ClusterMarks {
  onRaft(raft: Raft): void;
  /** At the end of a life. */
  onMetrics(metrics: MetricsRegistry): void;
  onFatal(cause: unknown): void;
  onLogLine(event: string, fields: LogFields): void;
}

/** Windows of change feeds, some so short that readers are often too late. */
const FEEDS = [
  { bytesMax: 4096, eventsMax: 20 },
  { bytesMax: 8192, eventsMax: 1000 },
  { bytesMax: 1024 * 1024, eventsMax: 32_768 },
];

/** How long a node may take to stop in order before it counts as hung. */
const STOP_MS_MAX = 30_000;

/** How soon a supervisor starts a node again that ended itself. */
const RESTART_MS = 300;
/** How long a shard may take to be verified. */
const VERIFY_MS = 5_000;

export interface Machine {
  readonly index: number;
  readonly name: string;
  readonly disk: SimDisk;
  readonly clock: NodeClock;
  readonly log: KeptLog;
  readonly settings: NodeSettings;
  /** The node's life; null while it is down. */
  life: {
    readonly owner: Owner;
    readonly node: Node;
    readonly metrics: MetricsRegistry;
    /** Their memory belongs to this process, which outlives the node's. */
    readonly kvs: readonly Kv[];
  } | null;
  lives: number;
  /** Known once the machine is a member; 0 before. */
  nodeId: NodeId;
  /** Injected disk faults that wait to end a life of this machine's node. */
  faultsDue: number;
  /** How often its disk was full: from the first time on its node may end for that. */
  fullCount: number;
  /** Its disk lost or spoilt something: its replicas may be suspect, and its node may refuse to run. */
  isDamaged: boolean;
  /** It does not come back. */
  isLeftOut: boolean;
  /** The consensus cores of its present life. */
  rafts: Raft[];
}

/** Storage says that this data directory is beyond what a restart can mend. */
const BEYOND_REPAIR: ReadonlySet<string> = new Set(['LOG_MISSING', 'DAMAGED_NODE_RECORD', 'UNKNOWN_FORMAT']);

export class SimCluster {
  readonly machines: Machine[] = [];
  crashes = 0;
  checkpoints = 0;
  quiesces = 0;
  /** Why the run fails, found by a node itself. */
  failure: string | null = null;
  /** Told before a node starts again. */
  onRestart: ((node: NodeId) => void) | null = null;
  /** Hears what is worth a mark. */
  marks: ClusterMarks | null = null;
  private readonly control: ControlClient;

  constructor(
    private readonly loop: SimLoop,
    private readonly network: SimNetwork,
    private readonly prng: Prng,
    private readonly createNode: CreateSimNode,
    private readonly observer: ReplicaObserver,
    readonly options: ClusterOptions,
  ) {
    this.control = network.control(loop.owner()).client;
    for (let i = 0; i < options.nodes; i++) this.machines.push(this.machine(i));
  }

  /** RESP addresses of all machines, up or down. */
  get addresses(): string[] {
    return this.machines.flatMap((m) => m.settings.resp.map(({ address }) => address));
  }

  start(machine: Machine): void {
    if (machine.life !== null || machine.isLeftOut) return;
    const { loop, network } = this;
    const owner = loop.owner();
    const control = network.control(owner);
    const life = machine.lives++;
    if (machine.nodeId !== 0) this.onRestart?.(machine.nodeId);
    loop.note(`start ${machine.name} ${life}`);
    const rafts: Raft[] = [];
    const kvs: Kv[] = [];
    const metrics = new MetricsRegistry();
    const node = this.createNode(
      {
        clock: machine.clock,
        timers: new NodeTimers(loop, owner, machine.clock, `timer ${machine.name}`),
        entropy: new SeededEntropy(this.prng.stream(`entropy ${machine.name} ${life}`)),
        logger: machine.log.logger(),
        metrics,
        openStore: machine.disk.openStore(owner),
        files: machine.disk.files(owner),
        crc32,
        compressor: plainCompressor,
        peers: network.peers(owner),
        streams: network.streams(owner),
        http: network.http(owner),
        rpcServer: control.server,
        controlClient: control.client,
        renderMetrics: (done) => done('', 'text/plain'),
        fatal: (reason, message, cause) => this.onFatal(machine, owner, reason, message, cause),
        observer: this.observer,
      },
      machine.settings,
      (raft) => {
        rafts.push(raft);
        this.marks?.onRaft(raft);
      },
      (kv) => kvs.push(kv),
    );
    machine.rafts = rafts;
    machine.life = { owner, node, metrics, kvs };
    node.start((error) => {
      if (error !== null) this.onFatal(machine, owner, 'internal', 'the node did not start', error);
    });
  }

  crash(machine: Machine, kind: CrashKind): void {
    if (machine.life === null) return;
    this.crashes++;
    this.loop.note(`crash ${machine.name} ${kind}`);
    machine.log.add('world', kind === 'kill' ? 'killed' : 'power lost', {});
    this.end(machine, kind);
  }

  /** The process stands still until `resume`; its clocks go on, and what is sent to it waits. */
  pause(machine: Machine): void {
    if (machine.life === null) return;
    this.loop.note(`pause ${machine.name}`);
    machine.log.add('world', 'stands still', {});
    this.loop.pause(machine.life.owner);
  }

  resume(machine: Machine): void {
    if (machine.life === null || !this.loop.isPaused(machine.life.owner)) return;
    this.loop.note(`resume ${machine.name}`);
    machine.log.add('world', 'goes on', {});
    this.loop.resume(machine.life.owner);
  }

  /** The machine is gone for good: the others must do without it. */
  leaveOut(machine: Machine): void {
    machine.isLeftOut = true;
    this.crash(machine, 'power');
  }

  /** An orderly stop, as SIGTERM gives; `done` once the process would be gone. */
  stop(machine: Machine, done: () => void): void {
    const life = machine.life;
    if (life === null) {
      done();
      return;
    }
    this.resume(machine);
    this.loop.note(`stop ${machine.name}`);
    machine.log.add('world', 'asked to stop', {});
    const tooLate = this.loop.schedule(WORLD, STOP_MS_MAX, () => {
      if (machine.life === life) this.failure ??= `${machine.name} did not stop in ${STOP_MS_MAX} ms`;
    });
    life.node.stop(() => {
      tooLate();
      if (machine.life === life) this.end(machine, 'kill');
      done();
    });
  }

  /** Founds the cluster through the control call, asking again until it is done or was done. */
  init(done: () => void): void {
    const request: InitRequest = {
      shards: this.options.shards,
      replicas: this.options.replicas,
      waitMs: 5_000,
      allowFewer: false,
    };
    const address = must(this.machines[0], 'first machine').settings.grpc;
    this.control.call(address, 'init', request, 10_000, (failure) => {
      if (failure === null || failure.code === 'ALREADY_INITIALISED') done();
      else this.loop.schedule(WORLD, 100, () => this.init(done));
    });
  }

  /** Hands a leadership over by the control call, as an operator would; whatever comes of it. */
  transfer(machine: Machine, group: GroupId, node: NodeId): void {
    const request = { group, node, forwarded: false };
    this.control.call(machine.settings.grpc, 'transfer', request, 10_000, () => undefined);
  }

  /** `quorate shard verify`, as an operator would ask one node. */
  verify(
    machine: Machine,
    group: GroupId,
    done: (failure: ControlFailure | null, verified: ControlMethods['verify']['response'] | null) => void,
  ): void {
    const request = { group, timeoutMs: VERIFY_MS };
    this.control.call(machine.settings.grpc, 'verify', request, VERIFY_MS + 2_000, done);
  }

  /** The node's own word, null while it is down. */
  status(machine: Machine): NodeStatus | null {
    const status = machine.life?.node.status() ?? null;
    if (status !== null && status.nodeId !== 0) machine.nodeId = status.nodeId;
    return status;
  }

  get ready(): boolean {
    return this.machines.every((m) => m.isLeftOut || this.status(m)?.ready === true);
  }

  /** Machines that lead this group by their own word; more than one after a partition. */
  leaders(group: number): Machine[] {
    return this.machines.filter((m) =>
      this.status(m)?.replicas.some((r) => r.group === group && r.role === 'leader'),
    );
  }

  ofNode(node: NodeId): Machine | null {
    return this.machines.find((m) => m.nodeId === node) ?? null;
  }

  /** Counts what running nodes did, and gives their memory back; called at the end of a life and at the end of the run. */
  countLife(machine: Machine): void {
    const { life } = machine;
    if (life === null) return;
    this.checkpoints += life.node.status().checkpointsWritten;
    this.quiesces += life.metrics.counter('raft_quiesces_total', '').value;
    this.marks?.onMetrics(life.metrics);
    for (const kv of life.kvs) kv.close();
  }

  private end(machine: Machine, kind: CrashKind): void {
    const owner = must(machine.life, 'life').owner;
    this.countLife(machine);
    machine.life = null;
    machine.rafts = [];
    this.loop.kill(owner);
    this.network.nodeDown(owner);
    if (kind === 'power') machine.disk.crash();
    else machine.disk.processCrash();
  }

  private onFatal(
    machine: Machine,
    owner: Owner,
    reason: FatalReason,
    message: string,
    cause: unknown,
  ): void {
    this.loop.note(`fatal ${machine.name} ${reason}`);
    machine.log.add('world', 'fatal', { reason, message, cause: cause ?? null });
    if (machine.life?.owner === owner) this.end(machine, 'kill');
    if (!this.isExcused(machine, reason, cause)) {
      this.failure ??= `${machine.name} ended itself: ${reason}: ${message} (${String(cause)})`;
      return;
    }
    this.crashes++;
    this.marks?.onFatal(cause);
    if (machine.isDamaged && BEYOND_REPAIR.has(codeOf(cause))) machine.isLeftOut = true;
    else this.loop.schedule(WORLD, RESTART_MS, () => this.start(machine));
  }

  /** Whether the node had to end itself: its disk failed it, by the simulator's doing. */
  private isExcused(machine: Machine, reason: FatalReason, cause: unknown): boolean {
    if (machine.isDamaged && (reason === 'disk' || isStorageError(cause))) return true;
    if (reason !== 'disk' && !isDiskError(cause)) return false;
    if (machine.fullCount > 0 && codeOf(cause) === 'ENOSPC') return true;
    if (machine.faultsDue === 0) return false;
    machine.faultsDue--;
    return true;
  }

  private machine(index: number): Machine {
    const { loop, prng, options } = this;
    const name = `n${index + 1}`;
    const clocks = prng.stream(`clock ${name}`);
    const address = (i: number, port: number): string => `n${i + 1}:${port}`;
    const others = Array.from({ length: options.nodes }, (_, i) => i).filter((i) => i !== index);
    return {
      index,
      name,
      disk: new SimDisk(loop, prng.stream(`disk ${name}`), { name: `disk ${name}` }),
      // Quartz is off by some ten parts in a million; a thousand make a run of seconds show it.
      clock: new NodeClock(loop, 1 + (clocks.unit() - 0.5) * 0.002, clocks.below(1_000_000)),
      log: new KeptLog(loop, name, options.print, (event, fields) => this.marks?.onLogLine(event, fields)),
      settings: withMemory(options, {
        data: '/data',
        grpc: address(index, 7600),
        peer: address(index, 7650),
        resp: address(index, 7379),
        http: address(index, 7700),
        join: others.map((i) => address(i, 7600)),
        insecure: true,
        logLevel: 'debug',
        // One draw for the whole cluster.
        reads: options.reads ?? (prng.stream('reads').chance(0.5) ? 'lease' : 'quorum'),
        log: { checkpointBytes: options.checkpointBytes, checkpointEntries: options.checkpointEntries },
        disk: { ballastBytes: 16 * 1024 },
        feed: prng.stream(`feed ${name}`).pick(FEEDS),
        limits: { requestTimeoutMs: 2_000, inflightBytesMax: options.inflightBytesMax },
      }),
      life: null,
      lives: 0,
      nodeId: 0,
      faultsDue: 0,
      fullCount: 0,
      isDamaged: false,
      isLeftOut: false,
      rafts: [],
    };
  }
}

function withMemory({ memory }: ClusterOptions, given: Record<string, unknown>): NodeSettings {
  const settings = nodeSettingsSchema.parse(given);
  if (memory === undefined || memory === null) return settings;
  return { ...settings, memory: { max: memory.bytesMax, maxItems: memory.itemsMax } };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

function isStorageError(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'StorageError';
}

function isDiskError(cause: unknown): boolean {
  return cause instanceof Error && /EIO|ENOSPC|No space/.test(cause.message);
}
