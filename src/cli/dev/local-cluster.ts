/**
 * The life of a local cluster:
 *
 *   check folder and ports -> start nodes -> they listen -> (first time) init -> every node ready
 *     -> write dev.json -> say so -> tell of nodes that end -> stop the rest in order
 *
 * Until it is ready, a node that ends takes the cluster with it: something is wrong that a person has to see. Later
 * the others go on, as they would anywhere.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { EXIT_CODES, QuorateError } from '../../base/index.js';
import type { StatusResponse } from '../../ports/index.js';
import { callControl, EXIT_FAILED } from '../control-call.js';
import type { Terminal } from '../terminal.js';
import { commandLine, NodeProcess, restartLine } from './children.js';
import {
  findRunning,
  forgetRunning,
  inspectFolder,
  prepareFolder,
  wipeFolder,
  writeRunning,
} from './data-folder.js';
import { watchForEnd } from './end-of-run.js';
import { checkPorts, decideShape, planNodes } from './plan.js';
import type { ClusterShape, DevOptions, PlannedNode } from './plan.js';
import { findPortInUse } from './ports-in-use.js';

const POLL_MS = 100;
const STATUS_DEADLINE_MS = 2_000;
const INIT_WAIT_MS = 30_000;
const INIT_DEADLINE_MS = 60_000;
/** A start that takes longer says what it waits for. */
const PROGRESS_MS = 2_000;

export async function runLocalCluster(options: DevOptions, terminal: Terminal): Promise<number> {
  const prepared = await prepare(options);
  if ('problem' in prepared) {
    terminal.complain(`quorate: ${prepared.problem}`);
    return prepared.exitCode;
  }
  return new LocalCluster(options, prepared.shape, prepared.nodes, terminal).run();
}

type Prepared =
  | { readonly shape: ClusterShape; readonly nodes: readonly PlannedNode[] }
  | { readonly problem: string; readonly exitCode: number };

/** Everything that can be refused before a process is started or a file is touched. */
async function prepare(options: DevOptions): Promise<Prepared> {
  const folder = inspectFolder(options.data);
  if (folder.kind === 'foreign') return { problem: folder.problem, exitCode: EXIT_CODES.refused };
  const runningPid = findRunning(options.data);
  if (runningPid !== 0) {
    return { problem: `${options.data} is in use by process ${runningPid}`, exitCode: EXIT_CODES.refused };
  }
  const stored = folder.kind === 'ours' && !options.fresh ? folder.shape : null;
  const decided = decideShape(options.asked, stored, options.data);
  if (!decided.ok) return { problem: decided.problem, exitCode: EXIT_CODES[decided.kind] };
  const nodes = planNodes(options, decided.shape.nodes);
  const misfit = checkPorts(nodes);
  if (misfit !== null) return { problem: misfit, exitCode: EXIT_CODES.usage };
  const taken = await findPortInUse(nodes);
  if (taken !== null) return { problem: taken, exitCode: EXIT_CODES.port_in_use };
  if (options.fresh && folder.kind === 'ours') wipeFolder(options.data);
  prepareFolder(
    options.data,
    decided.shape,
    nodes.map((node) => node.logFile),
  );
  return { shape: decided.shape, nodes };
}

class LocalCluster {
  private children: readonly NodeProcess[] = [];
  private phase: 'starting' | 'ready' | 'stopping' = 'starting';
  private exitCode = 0;
  private lastProgress = '';
  private progressAtMs = performance.now() + PROGRESS_MS;
  /** Called when the run is over, from whatever side. */
  private finish: () => void = () => undefined;

  constructor(
    private readonly options: DevOptions,
    private readonly shape: ClusterShape,
    private readonly nodes: readonly PlannedNode[],
    private readonly terminal: Terminal,
  ) {}

  async run(): Promise<number> {
    const over = new Promise<void>((resolve) => {
      this.finish = resolve;
    });
    const unwatch = watchForEnd({
      onEnd: (why) => {
        this.say(`${why}: stopping the nodes in order (Ctrl-C again ends them at once)`);
        this.finish();
      },
      onEndNow: () => this.children.forEach((child) => child.kill()),
    });
    this.say(`starting ${this.shape.nodes} nodes in ${this.options.data}, their logs beside their folders`);
    this.children = this.nodes.map(
      (node) =>
        new NodeProcess(
          node,
          this.terminal.self,
          this.nodes.filter((other) => other !== node),
          (child) => this.onChildEnd(child),
        ),
    );
    const starting = this.bringUp().catch((error: unknown) => this.giveUp(error));
    await over;
    this.phase = 'stopping';
    await this.stopAll();
    await starting;
    unwatch();
    return this.exitCode;
  }

  private async bringUp(): Promise<void> {
    const statuses = await this.waitForAll('to listen', () => true);
    if (!statuses) return;
    if (statuses.every((status) => status.clusterId === '')) await this.found();
    const ready = await this.waitForAll('to be ready', (status) => status.ready);
    if (!ready || this.phase !== 'starting') return;
    this.phase = 'ready';
    writeRunning(
      this.options.data,
      this.children.map(({ node, pid }, i) => ({
        id: ready[i]?.nodeId ?? node.number,
        pid,
        grpc: node.addresses.grpc,
        resp: node.addresses.resp,
        moved: node.addresses.moved,
        http: node.addresses.http,
        data: node.folder,
      })),
    );
    this.terminal.print(`quorate: ready, ${this.shape.nodes} nodes, ${this.shape.shards} shards`);
    this.listAddresses();
    this.suggest();
  }

  private async found(): Promise<void> {
    const { shards, replicas } = this.shape;
    const first = this.nodes[0]?.addresses.grpc ?? '';
    this.say(`founding the cluster: ${shards} shards, ${replicas} replicas of each`);
    const request = { shards, replicas, waitMs: INIT_WAIT_MS, allowFewer: false };
    await callControl(this.terminal.control, first, 'init', request, INIT_DEADLINE_MS);
  }

  /** Statuses of all nodes once each is as wanted; null when the run ended meanwhile. */
  private async waitForAll(
    what: string,
    isAsWanted: (status: StatusResponse) => boolean,
  ): Promise<readonly StatusResponse[] | null> {
    for (;;) {
      if (this.phase !== 'starting') return null;
      const answers = await Promise.all(this.nodes.map((node) => this.statusOf(node)));
      const statuses = answers.filter((status) => status !== null);
      const open = answers.findIndex((status) => status === null || !isAsWanted(status));
      if (open < 0) return statuses;
      const missing = answers[open]?.missing.join(', ') ?? 'no answer yet';
      this.progress(`waiting for node ${open + 1} ${what}${missing === '' ? '' : `: ${missing}`}`);
      await sleep(POLL_MS);
    }
  }

  private async statusOf(node: PlannedNode): Promise<StatusResponse | null> {
    try {
      return await callControl(this.terminal.control, node.addresses.grpc, 'status', {}, STATUS_DEADLINE_MS);
    } catch (error) {
      if (QuorateError.is(error)) return null; // not listening yet, or busy with its start
      throw error;
    }
  }

  private onChildEnd(child: NodeProcess): void {
    if (this.phase === 'stopping') return;
    const { number } = child.node;
    if (this.phase === 'starting') {
      this.terminal.complain(
        `quorate: node ${number} ended while starting (${child.describeEnding()}); its last words:`,
      );
      this.terminal.complain(`  ${child.lastWords()}`);
      this.exitCode = child.ending?.code ?? EXIT_FAILED;
      this.finish();
      return;
    }
    this.terminal.complain(
      `quorate: node ${number} (pid ${child.pid}) ended: ${child.describeEnding()}. The others go on. Start it again with`,
    );
    this.terminal.complain(`  ${restartLine(this.terminal.self, child.node)}`);
    if (this.children.every((other) => other.ending)) {
      this.terminal.complain('quorate: every node has ended');
      this.exitCode = EXIT_FAILED;
      this.finish();
    }
  }

  private giveUp(error: unknown): void {
    if (this.phase === 'stopping') return;
    const message = error instanceof Error ? error.message : String(error);
    this.terminal.complain(`quorate: the cluster could not be started: ${message}`);
    this.exitCode = EXIT_FAILED;
    this.finish();
  }

  /** The last one first: the meta group is on the first ones. */
  private async stopAll(): Promise<void> {
    for (const child of this.children.toReversed()) {
      await child.stop();
    }
    forgetRunning(this.options.data);
    this.say('all nodes have ended');
  }

  private listAddresses(): void {
    const list = (name: 'resp' | 'moved' | 'grpc'): string =>
      this.nodes.map((node) => node.addresses[name]).join(', ');
    this.say(`any Redis client: ${list('resp')}`);
    this.say(`Redis Cluster clients: ${list('moved')}`);
    this.say(`the SDK and gRPC clients: ${list('grpc')}`);
  }

  private suggest(): void {
    const first = this.nodes[0];
    const last = this.nodes.at(-1);
    if (!first || !last) return;
    const lines = [
      '',
      'Try, in another terminal:',
      `  redis-cli -p ${first.ports.resp} set greeting hello`,
      `  redis-cli -p ${last.ports.resp} get greeting`,
      `  redis-cli -c -p ${first.ports.moved} get greeting`,
      `  ${commandLine(this.terminal.self, ['status', '--endpoint', first.addresses.grpc])}`,
      `  curl http://${first.addresses.http}/metrics`,
      '',
      `Ctrl-C stops all nodes; their data stay in ${this.options.data}.`,
    ];
    for (const line of lines) this.terminal.print(line);
  }

  private progress(line: string): void {
    const nowMs = performance.now();
    if (nowMs < this.progressAtMs || line === this.lastProgress) return;
    this.lastProgress = line;
    this.progressAtMs = nowMs + PROGRESS_MS;
    this.say(line);
  }

  private say(line: string): void {
    this.terminal.print(`quorate: ${line}`);
  }
}
