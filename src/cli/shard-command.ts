/** `quorate shard verify`: whether the replicas of shards hold the same, and hold what was written there. */
import type { Command } from 'commander';

import { QuorateError } from '../base/index.js';
import type { VerifyResponse } from '../ports/index.js';
import { durationMs, hostPort } from './arguments.js';
import { addCheckpointCommand } from './checkpoint-command.js';
import { callControl, EXIT_FAILED } from './control-call.js';
import { allShards, ANSWER_MS, indent, shardOrAll } from './shard-arguments.js';
import { alignColumns } from './status-command.js';
import type { Terminal } from './terminal.js';

const HELP = `
The shard's leader appends a mark to its log. Every replica, learners too, tells the hash of its state at the mark, and
hashes all its items again from memory, in small slices beside its other work. Verdicts on replicas:
  equal        the same state as most, and its memory is sound
  differs      another state than most have
  rotten       what lies in its memory is not what was written there
  unreachable  it did not answer in time: nothing is known of it
Exit code: 0 when every replica is equal, 1 otherwise.`;

interface VerifyOptions {
  readonly endpoint: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addShardCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  const shard = program.command('shard').description('look after single shards');
  addCheckpointCommand(shard, terminal, done);
  shard
    .command('verify')
    .description('compare what the replicas of a shard hold, and check it against rot in memory')
    .argument('[SHARD]', 'number of the shard, or all', shardOrAll, 'all')
    .option('--endpoint <HOST:PORT>', 'gRPC address of any node', hostPort, '127.0.0.1:7600')
    .option('--timeout <DURATION>', 'how long each shard may take', durationMs, 60_000)
    .option('--json', 'print the answers as JSON')
    .addHelpText('after', HELP)
    .action(async (which: number | 'all', options: VerifyOptions) => {
      const { endpoint, timeout } = options;
      const shards = which === 'all' ? await allShards(terminal, endpoint) : [which];
      const answers: VerifyResponse[] = [];
      let isGood = true;
      for (const group of shards) {
        const request = { group, timeoutMs: timeout };
        const answer = await verifyOne(terminal, endpoint, request, which === 'all');
        if (answer === null || !isEqual(answer)) isGood = false;
        if (answer === null) continue;
        answers.push(answer);
        if (options.json !== true) describeVerified(answer).forEach((line) => terminal.print(line));
      }
      if (options.json === true) terminal.print(JSON.stringify({ equal: isGood, shards: answers }, null, 2));
      done(isGood ? 0 : EXIT_FAILED);
    });
}

/** Of all shards, one without a leader is told of and passed over: null. */
async function verifyOne(
  terminal: Terminal,
  endpoint: string,
  request: { group: number; timeoutMs: number },
  goesOn: boolean,
): Promise<VerifyResponse | null> {
  try {
    return await callControl(terminal.control, endpoint, 'verify', request, request.timeoutMs + ANSWER_MS);
  } catch (error) {
    if (!goesOn || !QuorateError.is(error)) throw error;
    terminal.complain(`shard ${request.group}: not verified: ${error.message} (${error.code})`);
    return null;
  }
}

function isEqual({ replicas }: VerifyResponse): boolean {
  return replicas.every(({ verdict }) => verdict === 'equal');
}

export function describeVerified(answer: VerifyResponse): string[] {
  const { group, index, differsFrom, replicas } = answer;
  const summary = isEqual(answer) ? 'equal' : 'NOT equal';
  const since = differsFrom === 0 ? '' : `, different from index ${differsFrom} on`;
  const rows = replicas.map((row) => [
    String(row.replica),
    String(row.node),
    row.isLearner ? 'learner' : 'voter',
    row.verdict,
    row.hash === '' ? '-' : row.hash,
    row.rehashedIndex === 0 ? '-' : String(row.items),
    row.detail,
  ]);
  const header = ['replica', 'node', 'role', 'verdict', 'hash', 'items', ''];
  return [`shard ${group}: ${summary} at index ${index}${since}`, ...indent(alignColumns([header, ...rows]))];
}
