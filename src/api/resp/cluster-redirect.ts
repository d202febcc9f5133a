/**
 * What a `moved` listener says to commands that belong elsewhere, as Redis Cluster words it: whose keys lie in several
 * slots, whose slot another node leads, whose slot nobody is known to lead. Asked before the command itself looks at
 * its arguments, as Redis does. Nothing is kept, and nothing but an error's text is made per command.
 */
import type { NodeId } from '../../base/index.js';
import { splitAddress, type HostPort, type RespRouting } from '../../settings/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { ClusterDirectory } from '../gateway-port.js';
import type { CommandSpec } from './command-spec.js';
import type { Arguments } from './parser.js';

export const CROSSSLOT_TEXT = "CROSSSLOT Keys in request don't hash to the same slot";
export const SLOT_DOWN_TEXT = 'CLUSTERDOWN Hash slot not served';

/** The error that a `moved` listener answers a command with; empty: the command is for this node. */
export function redirectionOf(
  spec: CommandSpec,
  args: Arguments,
  directory: ClusterDirectory,
  /** The command reads, for a connection that said READONLY: a replica here will do. */
  anyReplica: boolean,
): string {
  const [first, last, step] = spec.keys;
  if (first === 0) return '';
  const lastAt = last < 0 ? args.count + last : last;
  const slot = slotOfKey(args.bytes, args.start(first), args.end(first));
  for (let at = first + step; at <= lastAt; at += step) {
    if (slotOfKey(args.bytes, args.start(at), args.end(at)) !== slot) return CROSSSLOT_TEXT;
  }
  const shard = directory.map().shardIdOfSlot(slot);
  const leader = shard < 0 ? 0 : directory.leaderOf(shard);
  if (leader === directory.nodeId) return '';
  if (anyReplica && shard >= 0 && directory.servesAnyReads(shard)) return '';
  const address = leader === 0 ? null : respAddressOf(directory, leader, 'moved');
  return address === null ? SLOT_DOWN_TEXT : `MOVED ${slot} ${address.host}:${address.port}`;
}

/** Where clients reach a node's listener of this routing; null: it has none that could be dialled. */
export function respAddressOf(
  directory: ClusterDirectory,
  node: NodeId,
  routing: RespRouting,
): HostPort | null {
  const addresses = directory.map().node(node)?.addresses;
  const address = routing === 'moved' ? addresses?.respMoved : addresses?.resp;
  if (address === undefined || address === '') return null;
  const split = splitAddress(address);
  return split.port === 0 ? null : split;
}
