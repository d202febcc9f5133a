/**
 * What a command may do: look at its arguments, answer at once, or send an encoded command to a shard. A connection
 * implements it; the command functions know nothing of sockets or order.
 *
 * A command function ends in exactly one of: `beginReply` … `endReply`, one of the `reply…` shorthands, `submit`,
 * `iterate`, or `beginGather` and as many `submitPart` as it has parts.
 */
import type { ByteWriter, ErrorReason, MonoMs, Slot } from '../../base/index.js';
import type { Clock, Entropy } from '../../ports/index.js';
import type { RespRouting } from '../../settings/index.js';
import type { ClusterDirectory, CommandGateway, ShardRange } from '../gateway-port.js';
import type { CommandTable } from './command-table.js';
import type { Join } from './gather.js';
import type { Iteration } from './iteration.js';
import type { KeySplitter } from './key-splitter.js';
import type { Arguments } from './parser.js';
import type { RespVersion } from './reply-writer.js';
import type { Outcome } from './result-encoder.js';

/** A section of INFO: `# Name`, then `key:value` lines. */
export interface InfoSection {
  /** As shown; asked for in any case. */
  readonly name: string;
  readonly rows: readonly (readonly [key: string, value: string | number])[];
}

/** What a node says of itself in INFO. `server` and `clients` begin with rows of the front end's own. */
export interface InfoFacts {
  readonly version: string;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly uptimeSeconds: number;
  /** More rows for `server` and `clients`, and sections of any other name, in the order to be shown. */
  readonly sections: readonly InfoSection[];
}

export type ConfigRow = readonly [name: string, value: string];

/** A connection as CLIENT LIST shows it. */
export interface ClientRow {
  readonly id: number;
  readonly remoteAddress: string;
  readonly name: string;
  readonly sinceMs: MonoMs;
  readonly version: RespVersion;
  readonly pendingCount: number;
  readonly unsentBytes: number;
}

/** The server behind a connection, as connections of the same kind of listener see it. */
export interface ServerView {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  /** What the connection's listener does with commands for shards that other nodes lead. */
  readonly routing: RespRouting;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly splitter: KeySplitter;
  readonly commands: CommandTable;
  /** Where a command for a shard is encoded; empty when the command function begins. */
  readonly scratch: ByteWriter;
  readonly valueBytesMax: number;
  readonly config: () => readonly ConfigRow[];
  /**
   * The shards that commands on the whole keyspace cover (DBSIZE, FLUSHALL, SCAN, KEYS, RANDOMKEY): every one, or those
   * whose keys a client is to ask this very node for. May be empty, also when the map is known.
   */
  shardsOfKeyspace(): readonly ShardRange[];
  info(): InfoFacts;
  clients(): Iterable<ClientRow>;
  readonly clientCount: number;
}

export interface CommandContext {
  readonly server: ServerView;
  readonly args: Arguments;
  /** Unique among the connections of the process. */
  readonly id: number;
  /** When the bytes being worked on came. */
  readonly nowMs: MonoMs;
  /** HELLO changes it for what follows; what waits keeps its own. */
  version: RespVersion;
  /** CLIENT SETNAME; empty for none. */
  name: string;
  /** READONLY: through a `moved` listener any replica may answer its reads. */
  readOnly: boolean;

  beginReply(): ByteWriter;
  endReply(outcome: Outcome): void;
  replyOk(): void;
  /** `text` begins with the error's code word. */
  replyError(text: string): void;
  /** As `replyError`, for a text that quotes a client's bytes, a character for each. */
  replyErrorBytes(text: string): void;
  replyFailure(reason: ErrorReason): void;
  /** Sends the command in `scratch`, which names `keys` keys, to the shard of `slot`. */
  submit(slot: Slot, keys: number): void;
  /** One command in `parts` parts that are joined into one reply; `partOfKey` for arrays in the keys' order. */
  beginGather(join: Join, parts: number, keys: number, partOfKey: Int32Array | null): void;
  /** Sends the command in `scratch` as the next part. */
  submitPart(slot: Slot): void;
  /** Runs a command that asks again after each answer, until it has its reply. */
  iterate(iteration: Iteration): void;
  /** Takes no further command, and closes once everything was answered. */
  quit(): void;
}
