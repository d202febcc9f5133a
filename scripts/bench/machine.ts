/** Under which conditions was measured: the machine, the versions, and how fast its disk makes bytes durable. */
import { spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { median, quantile } from './statistics.js';

export interface Conditions {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly etcd: string;
  readonly redis: string;
  readonly commit: string;
  readonly fsyncMedianMs: number;
  readonly fsyncP99Ms: number;
  /** Load average of the last minute before we began: on a busy machine figures are good for nothing. */
  readonly loadBefore: number;
}

const FSYNC_COUNT = 200;
const FSYNC_BYTES = 4096;

/** `folder` is on the disk that the servers will write to. */
export function readConditions(folder: string, root: string): Conditions {
  const loadBefore = os.loadavg()[0] ?? 0;
  const fsyncs = probeFsyncMs(path.join(folder, 'fsync-probe'));
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    etcd: firstLine('etcd', ['--version']),
    redis: firstLine('redis-server', ['--version']),
    commit: firstLine('git', ['-C', root, 'describe', '--always', '--dirty']),
    fsyncMedianMs: median(fsyncs),
    fsyncP99Ms: quantile(fsyncs, 0.99),
    loadBefore,
  };
}

export function describeConditions(conditions: Conditions): string {
  const {
    cpu,
    cores,
    memoryBytes,
    system,
    node,
    etcd,
    redis,
    commit,
    fsyncMedianMs,
    fsyncP99Ms,
    loadBefore,
  } = conditions;
  const lines = [
    `${conditions.date}, commit ${commit}`,
    `${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${node}`,
    `${etcd}; ${redis}`,
    `fdatasync of 4 KiB: median ${fsyncMedianMs.toFixed(2)} ms, p99 ${fsyncP99Ms.toFixed(2)} ms`,
    `load average before: ${loadBefore.toFixed(2)}`,
  ];
  if (loadBefore > cores / 4)
    lines.push('THE MACHINE WAS BUSY: absolute figures, and small differences, mean nothing.');
  return lines.join('\n');
}

function probeFsyncMs(file: string): number[] {
  const descriptor = openSync(file, 'w');
  const page = Buffer.alloc(FSYNC_BYTES, 1);
  const tookMs: number[] = [];
  for (let i = 0; i < FSYNC_COUNT; i++) {
    const startedMs = performance.now();
    writeSync(descriptor, page);
    fdatasyncSync(descriptor);
    tookMs.push(performance.now() - startedMs);
  }
  closeSync(descriptor);
  return tookMs;
}

function firstLine(program: string, words: readonly string[]): string {
  const result = spawnSync(program, words, { encoding: 'utf8', timeout: 5000 });
  return result.status === 0 ? (result.stdout.split('\n')[0] ?? '').slice(0, 60) : `no ${program}`;
}
