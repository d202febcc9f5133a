/** `quorate shard checkpoint`: has every replica of a shard write its state to disk now. */
import type { Command } from 'commander';

import type { CheckpointResponse, CheckpointRow } from '../ports/index.js';
import { durationMs, hostPort } from './arguments.js';
import { callControl, EXIT_FAILED } from './control-call.js';
import { allShards, ANSWER_MS, indent, shardOrAll } from './shard-arguments.js';
import { alignColumns } from './status-command.js';
import type { Terminal } from './terminal.js';

const HELP = `
Every replica of the shard, learners too, writes a checkpoint of what it has applied, beside its other work and one at a
time on a node; the log behind it is then replayed at a restart, and the log before the older of two can go. Outcomes:
  written      a new checkpoint is on disk
  current      the newest one held everything already
  empty        nothing was ever applied: there is nothing to hold
  refused      it can't write one; the last column says why
  unreachable  it did not answer in time; it may still be writing
Exit code: 0 when no replica refused or was unreachable, 1 otherwise, 2 when there is no such shard.`;

interface CheckpointOptions {
  readonly endpoint: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addCheckpointCommand(shard: Command, terminal: Terminal, done: (code: number) => void): void {
  shard
    .command('checkpoint')
    .description('have all replicas of a shard write a checkpoint now')
    .argument('<SHARD>', 'number of the shard, or all', shardOrAll)
    .option('--endpoint <HOST:PORT>', 'gRPC address of any node', hostPort, '127.0.0.1:7600')
    .option('--timeout <DURATION>', 'how long each shard may take', durationMs, 60_000)
    .option('--json', 'print the answers as JSON')
    .addHelpText('after', HELP)
    .action(async (which: number | 'all', options: CheckpointOptions) => {
      const { endpoint, timeout } = options;
      const shards = which === 'all' ? await allShards(terminal, endpoint) : [which];
      const answers: CheckpointResponse[] = [];
      for (const group of shards) {
        const request = { group, timeoutMs: timeout };
        const answer = await callControl(
          terminal.control,
          endpoint,
          'checkpoint',
          request,
          timeout + ANSWER_MS,
        );
        answers.push(answer);
        if (options.json !== true) describeCheckpoints(answer).forEach((line) => terminal.print(line));
      }
      const isDone = answers.every(({ replicas }) => replicas.every(isGood));
      if (options.json === true) terminal.print(JSON.stringify({ done: isDone, shards: answers }, null, 2));
      done(isDone ? 0 : EXIT_FAILED);
    });
}

function isGood({ outcome }: CheckpointRow): boolean {
  return outcome !== 'refused' && outcome !== 'unreachable';
}

function describeCheckpoints({ group, replicas }: CheckpointResponse): string[] {
  const good = replicas.filter(isGood).length;
  const rows = replicas.map((row) => [
    String(row.replica),
    String(row.node),
    row.isLearner ? 'learner' : 'voter',
    row.outcome,
    row.index === 0 ? '-' : String(row.index),
    row.bytes === 0 ? '-' : String(row.bytes),
    row.outcome === 'written' ? `${row.tookMs} ms` : '-',
    row.detail,
  ]);
  const header = ['replica', 'node', 'role', 'checkpoint', 'index', 'bytes', 'took', ''];
  return [
    `shard ${group}: ${good} of ${replicas.length} replicas`,
    ...indent(alignColumns([header, ...rows])),
  ];
}
