/**
 * Processes that the benchmark starts. All are known by pid here, so that `endAll` leaves none behind, on whatever way
 * we end. Where Debian's `setpriv` is there, the kernel also ends them when this process is killed outright.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseProcStat } from './parse-output.js';

const STOP_MS_MAX = 10_000;
const OUTPUT_CHARS_MAX = 1_000_000;

export interface Ended {
  readonly out: string;
  /** User and system time of the process from start to end. */
  readonly cpuSeconds: number;
}

export class Child {
  isEnded = false;
  code: number | null = null;
  readonly ended: Promise<void>;

  constructor(
    readonly name: string,
    readonly process: ChildProcess,
  ) {
    this.ended = new Promise((resolve) => {
      const finish = (code: number | null): void => {
        this.isEnded = true;
        this.code = code;
        resolve();
      };
      process.once('exit', finish);
      process.once('error', () => finish(null));
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** SIGTERM, and SIGKILL if that doesn't help. */
  async stop(): Promise<void> {
    if (this.isEnded) return;
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }
}

export class Children {
  private readonly alive = new Set<Child>();
  private closed = false;

  /** A server: runs until it is stopped; what it says goes to a file. */
  start(name: string, command: readonly string[], logFile: string, cwd: string): Child {
    const log = openSync(logFile, 'a');
    // A process group of its own: Ctrl-C in a terminal reaches us alone, and we stop it in order.
    const child = this.spawn(name, command, { stdio: ['pipe', log, log], detached: true, cwd });
    closeSync(log);
    child.process.stdin?.on('error', () => undefined); // it ended first
    return child;
  }

  /** A load generator or tool: runs to its end, at most `timeoutMs`. Throws when it fails. */
  async run(
    name: string,
    command: readonly string[],
    timeoutMs: number,
    cwd: string,
    env = process.env,
  ): Promise<Ended> {
    const cpuBefore = cpuOfEndedChildren();
    const child = this.spawn(name, command, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd, env });
    let out = '';
    let err = '';
    child.process.stdout?.on(
      'data',
      (bytes: Buffer) => (out = (out + bytes.toString()).slice(-OUTPUT_CHARS_MAX)),
    );
    child.process.stderr?.on(
      'data',
      (bytes: Buffer) => (err = (err + bytes.toString()).slice(-OUTPUT_CHARS_MAX)),
    );
    const closed = new Promise<void>((resolve) => {
      child.process.once('close', () => resolve());
      child.process.once('error', (error) => {
        err += error.message;
        resolve();
      });
    });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.process.kill('SIGKILL');
    }, timeoutMs);
    await closed;
    clearTimeout(timer);
    const said = (err.trim() || out.trim()).slice(-400);
    if (isLate) throw new Error(`${name} did not end within ${Math.round(timeoutMs / 1000)} s: ${said}`);
    if (child.code !== 0) throw new Error(`${name} failed: ${said}`);
    return { out, cpuSeconds: cpuOfEndedChildren() - cpuBefore };
  }

  /** Ends whatever still runs. Nothing can be started afterwards. */
  async endAll(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.alive].map((child) => child.stop()));
  }

  /** Nothing can be started any more: the run is over, or somebody asked for its end. */
  get isClosed(): boolean {
    return this.closed;
  }

  /** As `endAll`, for when there is no time left. */
  killAll(): void {
    this.closed = true;
    for (const child of this.alive) child.process.kill('SIGKILL');
  }

  private spawn(name: string, command: readonly string[], options: Parameters<typeof spawn>[2]): Child {
    if (this.closed) throw new Error('the benchmark is ending');
    const [program = '', ...words] = [...DIE_WITH_PARENT, ...command];
    const child = new Child(name, spawn(program, words, options));
    this.alive.add(child);
    void child.ended.then(() => this.alive.delete(child));
    return child;
  }
}

export function hasTool(name: string, word = '--version'): boolean {
  return spawnSync(name, [word], { stdio: 'ignore', timeout: 5000 }).error === undefined;
}

const DIE_WITH_PARENT = hasTool('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];

/** CPU seconds of these processes so far, all threads. Throws when one has ended: its time would be lost. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).own, 0);
}

function cpuOfEndedChildren(): number {
  return parseProcStat(readFileSync('/proc/self/stat', 'utf8')).endedChildren;
}

/** Waits for a condition of the outside world; says which one didn't come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs: number,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`within ${timeoutMs / 1000} s not: ${what}`);
    await sleep(50);
  }
}
