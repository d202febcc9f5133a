/** What the commands on shards share: which shards are meant, and asking a node which there are. */
import { InvalidArgumentError } from 'commander';

import { QuorateError } from '../base/index.js';
import { countBetween } from './arguments.js';
import { callControl } from './control-call.js';
import type { Terminal } from './terminal.js';

const SHARD_MAX = 16_384;
const STATUS_MS = 5_000;
/** Beyond what a node waits itself, so that it can tell what it knows. */
export const ANSWER_MS = 2_000;

export function shardOrAll(text: string): number | 'all' {
  if (text === 'all') return 'all';
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected the number of a shard, or all.');
  return countBetween(1, SHARD_MAX)(text);
}

/** As the node knows them. */
export async function allShards(terminal: Terminal, endpoint: string): Promise<number[]> {
  const status = await callControl(terminal.control, endpoint, 'status', {}, STATUS_MS);
  const { shards } = JSON.parse(status.json === '' ? '{}' : status.json) as { shards?: { id: number }[] };
  if (shards === undefined || shards.length === 0) {
    throw new QuorateError('NOT_INITIALISED', `the node at ${endpoint} knows no shards yet`);
  }
  return shards.map(({ id }) => id);
}

export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
