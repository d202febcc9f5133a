/** What INFO and CONFIG GET of the RESP front end say of a node. */
import type { ConfigRow, InfoFacts } from '../api/index.js';
import { VERSION } from '../base/index.js';
import type { NodeLimits } from '../coordinator/index.js';
import type { NodeSettings } from '../settings/index.js';
import type { Member } from './member.js';
import type { Memory } from './memory.js';

export function infoFacts(member: Member, uptimeMs: number): InfoFacts {
  const replicas = [...member.host.all()].filter((replica) => replica.group !== 0);
  const led = replicas.filter((replica) => replica.raft.role === 'leader');
  const { state } = member.view;
  return {
    version: VERSION,
    nodeId: member.host.nodeId,
    clusterId: state.clusterId,
    uptimeSeconds: Math.floor(uptimeMs / 1000),
    sections: [
      {
        name: 'Quorate',
        rows: [
          ['cluster_id', state.clusterId],
          ['node_id', member.host.nodeId],
          ['map_version', state.mapVersion],
          ['nodes', state.nodes.length],
          ['shards', state.shards.length],
          ['replicas_here', replicas.length],
          ['leaders_here', led.length],
          ['suspect_replicas_here', replicas.filter((replica) => replica.suspect !== null).length],
        ],
      },
    ],
  };
}

/** As Redis calls them, where it has such a policy. */
const REDIS_POLICIES = { none: 'noeviction', lru: 'allkeys-lru', s3fifo: 'allkeys-s3fifo' } as const;

/** What the node gives to tables by its own settings. */
export function memoryLimits({ memory }: NodeSettings): NodeLimits {
  return { bytesMax: memory.max === 'auto' ? 0 : memory.max, itemsMax: memory.maxItems };
}

/** Settings under the names that Redis' clients and tools ask for. */
export function configRows(settings: NodeSettings, memory: Memory): ConfigRow[] {
  return [
    ['appendonly', 'yes'],
    ['appendfsync', settings.log.sync ? 'always' : 'no'],
    ['save', ''],
    ['databases', '1'],
    ['maxclients', String(settings.limits.connectionsMax)],
    ['maxmemory', String(memory.ownLimits.bytesMax)],
    ['maxmemory-policy', REDIS_POLICIES[memory.clusterSettings.evictionPolicy]],
    ['proto-max-bulk-len', String(settings.limits.valueBytesMax)],
    ['timeout', '0'],
    ['dir', settings.data],
  ];
}
