/** What INFO and CONFIG GET of the RESP front end say of a node. */
import type { ConfigRow, InfoFacts } from '../api/index.js';
import type { NodeSettings } from '../settings/index.js';
import type { Member } from './member.js';
import { VERSION } from '../base/index.js';

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

/** Settings under the names that Redis' clients and tools ask for. */
export function configRows(settings: NodeSettings): ConfigRow[] {
  return [
    ['appendonly', 'yes'],
    ['appendfsync', settings.log.sync ? 'always' : 'no'],
    ['save', ''],
    ['databases', '1'],
    ['maxclients', String(settings.limits.connectionsMax)],
    ['maxmemory', '0'],
    ['maxmemory-policy', 'noeviction'],
    ['proto-max-bulk-len', String(settings.limits.valueBytesMax)],
    ['timeout', '0'],
    ['dir', settings.data],
  ];
}
