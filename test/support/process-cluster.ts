/**
 * Real `quorate` processes in a temporary folder, on free ports of 127.0.0.1. Everything that was started is killed
 * and every folder removed by `close`, whatever the test did.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const PROGRAM = path.resolve('dist/src/quorate.js');
const STATUS_POLL_MS = 50;

export interface Ports {
  readonly grpc: number;
  readonly peer: number;
  readonly resp: number;
  /** RESP for clients of Redis Cluster. */
  readonly moved: number;
  readonly http: number;
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface StatusJson {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly ready: boolean;
  readonly missing: readonly string[];
  readonly replicas?: readonly unknown[];
  readonly nodes?: readonly { readonly id: number; readonly peer: string }[];
  readonly shards?: readonly {
    readonly id: number;
    readonly replicas: readonly { readonly isLearner: boolean }[];
  }[];
}

/** A process with its output, as text so far. */
export class Running {
  out = '';
  err = '';
  readonly ended: Promise<Finished>;
  isEnded = false;

  constructor(readonly process: ChildProcess) {
    process.stdout?.on('data', (bytes: Buffer) => (this.out += bytes.toString()));
    process.stderr?.on('data', (bytes: Buffer) => (this.err += bytes.toString()));
    this.ended = new Promise((resolve) => {
      process.once('close', (code) => {
        this.isEnded = true;
        resolve({ code, out: this.out, err: this.err });
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Resolves once the output holds `words`; rejects when the process ends before. */
  async untilPrinted(words: string, timeoutMs = 40_000): Promise<void> {
    await until(
      () => {
        if (this.out.includes(words)) return true;
        if (this.isEnded) throw new Error(`ended without printing "${words}":\n${this.out}${this.err}`);
        return false;
      },
      `"${words}" is printed`,
      timeoutMs,
    );
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Finished> {
    if (!this.isEnded) this.process.kill(signal);
    return this.ended;
  }
}

export class Sandbox {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-it-'));
  private readonly running: Running[] = [];
  /** Processes that others started and that end with us. */
  private readonly pids: number[] = [];

  path(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  /** Runs the program and keeps it running. Standard input stays open until the test ends. */
  start(
    words: readonly string[],
    options: { wrap?: readonly string[]; logTo?: string; program?: string } = {},
  ): Running {
    const { wrap = [], program = PROGRAM } = options;
    const log = options.logTo === undefined ? null : openSync(options.logTo, 'a');
    const [command = '', ...rest] = [...wrap, process.execPath, program, ...words];
    const child = spawn(command, rest, {
      cwd: this.folder,
      stdio: log === null ? ['pipe', 'pipe', 'pipe'] : ['pipe', log, log],
    });
    if (log !== null) closeSync(log);
    const running = new Running(child);
    this.running.push(running);
    return running;
  }

  /** Runs the program to its end. */
  run(...words: string[]): Promise<Finished> {
    return this.start(words).ended;
  }

  alsoKill(pid: number): void {
    this.pids.push(pid);
  }

  async close(): Promise<void> {
    for (const pid of this.pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    for (const running of this.running) await running.kill();
    await until(() => !this.pids.some(isAlive), 'processes end');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One node of a cluster that a test starts, kills and starts again. */
export class ServerNode {
  running: Running | null = null;
  /** The build that it is started with. */
  program = PROGRAM;
  readonly folder: string;
  readonly logFile: string;

  constructor(
    private readonly sandbox: Sandbox,
    readonly number: number,
    readonly ports: Ports,
    private readonly join: readonly Ports[],
    private readonly extra: readonly string[] = [],
  ) {
    this.folder = sandbox.path(`n${number}`);
    this.logFile = sandbox.path(`n${number}.log`);
  }

  get grpc(): string {
    return `127.0.0.1:${this.ports.grpc}`;
  }

  get resp(): string {
    return `127.0.0.1:${this.ports.resp}`;
  }

  get moved(): string {
    return `127.0.0.1:${this.ports.moved}`;
  }

  /** The first time with every flag; after that the data directory alone must do, or with what is to change. */
  start(wrap: readonly string[] = [], changes: readonly string[] = []): void {
    const flags = (['grpc', 'peer', 'resp', 'http'] as const).flatMap((name) => [
      `--${name}`,
      `127.0.0.1:${this.ports[name]}`,
    ]);
    flags.push('--resp', `${this.moved},routing=moved`);
    const join =
      this.join.length > 0 ? ['--join', this.join.map((ports) => `127.0.0.1:${ports.grpc}`).join(',')] : [];
    const isFirst = this.running === null;
    const words = [
      'server',
      '--data',
      this.folder,
      ...(isFirst ? [...flags, ...join, ...this.extra] : []),
      ...changes,
    ];
    this.running = this.sandbox.start(words, { wrap, logTo: this.logFile, program: this.program });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Finished> {
    if (!this.running) throw new Error(`node ${this.number} was never started`);
    return this.running.kill(signal);
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }
}

export async function createNodes(
  sandbox: Sandbox,
  count: number,
  extra: readonly string[] = [],
): Promise<ServerNode[]> {
  const ports = await freePorts(count);
  return ports.map(
    (own, i) =>
      new ServerNode(
        sandbox,
        i + 1,
        own,
        ports.filter((other) => other !== own),
        extra,
      ),
  );
}

/**
 * Ports that were free a moment ago. Below the range that the system draws from for outgoing connections: else one
 * node's call to another could sit on the port that a third is about to listen on.
 */
const PORT_MIN = 10_240;
const PORT_MAX = 32_000;

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export async function freePorts(count: number): Promise<Ports[]> {
  const numbers = new Set<number>();
  while (numbers.size < count * 5) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (!numbers.has(port) && (await isFree(port))) numbers.add(port);
  }
  const list = [...numbers];
  return Array.from({ length: count }, (_, i) => {
    const [grpc = 0, peer = 0, resp = 0, moved = 0, http = 0] = list.slice(i * 5, i * 5 + 5);
    return { grpc, peer, resp, moved, http };
  });
}

/** `quorate status --json` of a node; null while nobody answers there. */
export async function statusOf(sandbox: Sandbox, grpc: string): Promise<StatusJson | null> {
  const { code, out } = await sandbox.run('status', '--endpoint', grpc, '--json');
  return code === 0 ? (JSON.parse(out) as StatusJson) : null;
}

/** Whether `/readyz` says so. */
export function isReady(node: ServerNode): Promise<boolean> {
  return answersHttp(`http://127.0.0.1:${node.ports.http}/readyz`);
}

/** Starts the nodes, makes one cluster of them, and waits until each is ready. */
export async function startCluster(
  sandbox: Sandbox,
  nodes: readonly ServerNode[],
  shards: number,
): Promise<void> {
  for (const node of nodes) node.start();
  const init = ['init', '--endpoint', nodes[0]?.grpc ?? '', '--shards', String(shards), '--wait', '40s'];
  const { ports } = nodes[0] ?? {};
  await until(() => answersHttp(`http://127.0.0.1:${ports?.http}/healthz`), 'the first node listens', 40_000);
  const { code, err } = await sandbox.run(...init);
  if (code !== 0) throw new Error(`init ended with ${code}: ${err}`);
  await until(
    async () => (await Promise.all(nodes.map(isReady))).every(Boolean),
    'all nodes are ready',
    40_000,
  );
}

async function answersHttp(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).status === 200;
  } catch (error) {
    if (error instanceof TypeError) return false; // nobody listens
    throw error;
  }
}

/** Waits for a condition of the outside world; says which one didn't come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`within ${timeoutMs} ms not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, STATUS_POLL_MS));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false; // no such process, or none of ours
  }
  // A zombie is dead: its parent has not asked for it yet.
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return state.error !== undefined || (state.status === 0 && !state.stdout.startsWith('Z'));
}

export function hasTool(name: string): boolean {
  return spawnSync(name, ['--version']).error === undefined;
}
