/** `quorate init`: makes one cluster of the nodes that wait for one. */
import type { Command } from 'commander';

import { countBetween, durationMs, hostPort } from './arguments.js';
import { callControl } from './control-call.js';
import type { Terminal } from './terminal.js';
import type { NodeAddresses } from '../base/index.js';
import type { InitResponse } from '../ports/index.js';

/** Beyond the wait for nodes: time to create the shards and to answer. */
const ANSWER_MS = 30_000;

interface InitOptions {
  readonly endpoint: string;
  readonly shards: number;
  readonly replicas: number;
  readonly wait: number;
  readonly allowFewer?: boolean;
  readonly json?: boolean;
}

export function addInitCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  program
    .command('init')
    .description('found a cluster of the nodes that wait for one')
    .option('--endpoint <HOST:PORT>', 'gRPC address of one of them', hostPort, '127.0.0.1:7600')
    .option('--shards <COUNT>', 'number of shards, for the life of the cluster', countBetween(1, 4096), 16)
    .option('--replicas <COUNT>', 'replicas of each shard', countBetween(1, 7), 3)
    .option('--wait <DURATION>', 'how long to wait for enough nodes: 500ms, 30s, 2m', durationMs, 30_000)
    .option('--allow-fewer', 'found it with the nodes there are: fewer replicas, fewer failures survived')
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', '\nA cluster is founded once; a second init is refused.')
    .action(async (options: InitOptions) => {
      const response = await callControl(
        terminal.control,
        options.endpoint,
        'init',
        {
          shards: options.shards,
          replicas: options.replicas,
          waitMs: options.wait,
          allowFewer: options.allowFewer === true,
        },
        options.wait + ANSWER_MS,
      );
      if (options.json === true) terminal.print(JSON.stringify(response));
      else describeCluster(response).forEach((line) => terminal.print(line));
      done(0);
    });
}

export function describeCluster(cluster: InitResponse): string[] {
  return [
    `cluster ${cluster.clusterId}: ${cluster.nodes.length} nodes, ${cluster.shards} shards, ${cluster.replicas} replicas of each`,
    ...cluster.nodes.map(({ id, addresses }) => `  node ${id}: ${describeAddresses(addresses)}`),
  ];
}

/** Listeners that a node doesn't have are left out. */
function describeAddresses({ grpc, resp, respMoved, http }: NodeAddresses): string {
  return [
    ['gRPC', grpc],
    ['RESP', resp],
    ['Redis Cluster', respMoved],
    ['HTTP', http],
  ]
    .filter(([, address]) => address !== '')
    .map(([name, address]) => `${name} ${address}`)
    .join(', ');
}
