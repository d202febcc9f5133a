/**
 * The server as the connections of one kind of listener see it. What differs: how commands for shards of other nodes
 * are treated, and which shards "all keys" means. A client of a `moved` listener asks every node for its own keys, so
 * each covers the shards that it leads.
 */
import type { ByteWriter } from '../../base/index.js';
import type { RespRouting } from '../../settings/index.js';
import type { ClusterDirectory, CommandGateway, ShardRange } from '../gateway-port.js';
import type { ClientRow, ConfigRow, InfoFacts, ServerView } from './command-context.js';

export class ListenerView implements ServerView {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: ServerView['clock'];
  readonly entropy: ServerView['entropy'];
  readonly splitter: ServerView['splitter'];
  readonly commands: ServerView['commands'];
  readonly valueBytesMax: number;
  readonly config: () => readonly ConfigRow[];

  constructor(
    private readonly server: Omit<ServerView, 'routing' | 'shardsOfKeyspace'>,
    readonly routing: RespRouting,
  ) {
    this.gateway = server.gateway;
    this.directory = server.directory;
    this.clock = server.clock;
    this.entropy = server.entropy;
    this.splitter = server.splitter;
    this.commands = server.commands;
    this.valueBytesMax = server.valueBytesMax;
    this.config = server.config;
  }

  get scratch(): ByteWriter {
    return this.server.scratch;
  }

  get clientCount(): number {
    return this.server.clientCount;
  }

  shardsOfKeyspace(): readonly ShardRange[] {
    const shards = this.gateway.shards();
    if (this.routing === 'forward') return shards;
    return shards.filter(({ shard }) => this.directory.leaderOf(shard) === this.directory.nodeId);
  }

  info(): InfoFacts {
    return this.server.info();
  }

  clients(): Iterable<ClientRow> {
    return this.server.clients();
  }
}
