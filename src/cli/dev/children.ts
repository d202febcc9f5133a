/**
 * The nodes of a local cluster as child processes.
 *
 * Each is the leader of a process group of its own, so that Ctrl-C reaches us alone and we stop them in order. Each
 * holds the reading end of a pipe from us as standard input and ends when that ends: however we die, they don't stay.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { must } from '../../base/index.js';
import type { PlannedNode } from './plan.js';

/** A node's own stop is bounded below this. */
const STOP_MS_MAX = 15_000;

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export class NodeProcess {
  readonly pid: number;
  /** Set once the process has ended. */
  ending: Ending | null = null;
  private readonly process: ChildProcess;
  private readonly ended: Promise<Ending>;

  constructor(
    readonly node: PlannedNode,
    self: readonly [string, ...string[]],
    others: readonly PlannedNode[],
    onEnd: (child: NodeProcess, ending: Ending) => void,
  ) {
    const log = openSync(node.logFile, 'a');
    const [command, ...leading] = self;
    this.process = spawn(command, [...leading, ...serverWords(node, others)], {
      stdio: ['pipe', log, log],
      detached: true,
      // Nodes of one machine share its memory.
      env: { ...process.env, QUORATE_NODES_HERE: String(others.length + 1) },
    });
    closeSync(log);
    this.pid = this.process.pid ?? 0;
    this.process.stdin?.on('error', () => undefined); // it ended first
    this.ended = new Promise((resolve) => {
      const finish = (ending: Ending): void => {
        if (this.ending) return;
        this.ending = ending;
        resolve(ending);
        onEnd(this, ending);
      };
      this.process.once('exit', (code, signal) => finish({ code, signal }));
      this.process.once('error', (error) => finish({ code: null, signal: error.message }));
    });
  }

  /** Asks it to stop, and ends it if it doesn't. */
  async stop(): Promise<void> {
    if (this.ending) return;
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (!this.ending) this.process.kill('SIGKILL');
  }

  /** Why it ended, in words. */
  describeEnding(): string {
    const { code, signal } = must(this.ending, 'ending');
    return signal === null ? `exit code ${code}` : `killed by ${signal}`;
  }

  /** The last thing it said, for the reason why it ended. */
  lastWords(): string {
    try {
      const lines = readFileSync(this.node.logFile, 'utf8').trimEnd().split('\n');
      return lines.at(-1) ?? '';
    } catch {
      return ''; // the log can't be read; the exit code is told all the same
    }
  }
}

/** Every address is given by flag, so that other `--base-*` ports of a later start take effect and are stored. */
function serverWords(node: PlannedNode, others: readonly PlannedNode[]): string[] {
  const words = ['server', '--watch-parent', '--data', node.folder];
  const { grpc, peer, resp, moved, http } = node.addresses;
  words.push(
    '--grpc',
    grpc,
    '--peer',
    peer,
    '--resp',
    resp,
    '--resp',
    `${moved},routing=moved`,
    '--http',
    http,
  );
  if (others.length > 0) words.push('--join', others.map((other) => other.addresses.grpc).join(','));
  return words;
}

/** The line that starts a node again: settings are in its data directory. */
export function restartLine(self: readonly string[], node: PlannedNode): string {
  return commandLine(self, ['server', '--data', node.folder]);
}

/** This program with some arguments, as a person would type it here. */
export function commandLine(self: readonly string[], words: readonly string[]): string {
  return [...self.map(shorten), ...words].map(quote).join(' ');
}

function shorten(word: string): string {
  if (word === process.execPath) return 'node';
  return path.isAbsolute(word) ? path.relative(process.cwd(), word) : word;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
