/** `quorate dev`: its flags. */
import type { Command } from 'commander';

import { countBetween } from '../arguments.js';
import type { Terminal } from '../terminal.js';
import type { DevListener, DevOptions } from './plan.js';
import { runLocalCluster } from './local-cluster.js';

/** From a node's RESP port to that of its listener for Redis Cluster's clients. */
const MOVED_FROM_RESP = 100;
/** Nodes know each other by `--join`, which takes 64 addresses. */
const NODES_MAX = 64;

interface Flags {
  readonly nodes?: number;
  readonly shards?: number;
  readonly replicas?: number;
  readonly baseGrpc: number;
  readonly basePeer: number;
  readonly baseResp: number;
  readonly baseMoved?: number;
  readonly baseHttp: number;
  readonly data: string;
  readonly fresh?: boolean;
}

export function addDevCommand(program: Command, terminal: Terminal, done: (code: number) => void): void {
  const port = countBetween(1, 65535);
  program
    .command('dev')
    .description('run a local cluster: every node a child process, data kept between starts')
    .option('--nodes <COUNT>', 'nodes (default: 3)', countBetween(1, NODES_MAX))
    .option('--shards <COUNT>', 'shards (default: 16)', countBetween(1, 4096))
    .option(
      '--replicas <COUNT>',
      'replicas of each shard (default: 3, or as many as nodes)',
      countBetween(1, 7),
    )
    .option('--base-grpc <PORT>', 'gRPC port of the first node; the next has the next', port, 7600)
    .option('--base-peer <PORT>', 'port for links between nodes', port, 7650)
    .option('--base-resp <PORT>', "port for Redis' protocol", port, 7379)
    .option('--base-moved <PORT>', "port for Redis Cluster's clients (default: the RESP port + 100)", port)
    .option('--base-http <PORT>', 'port for health and metrics', port, 7700)
    .option('--data <DIR>', 'folder of the local cluster', './data/dev')
    .option('--fresh', 'wipe that folder first')
    .addHelpText('after', '\nCtrl-C stops all nodes in order; a second Ctrl-C ends them at once.')
    .action(async (flags: Flags) => {
      done(await runLocalCluster(optionsFrom(flags), terminal));
    });
}

function optionsFrom(flags: Flags): DevOptions {
  const basePorts: Record<DevListener, number> = {
    grpc: flags.baseGrpc,
    peer: flags.basePeer,
    resp: flags.baseResp,
    moved: flags.baseMoved ?? flags.baseResp + MOVED_FROM_RESP,
    http: flags.baseHttp,
  };
  return {
    asked: {
      ...(flags.nodes === undefined ? {} : { nodes: flags.nodes }),
      ...(flags.shards === undefined ? {} : { shards: flags.shards }),
      ...(flags.replicas === undefined ? {} : { replicas: flags.replicas }),
    },
    basePorts,
    data: flags.data,
    fresh: flags.fresh === true,
  };
}
