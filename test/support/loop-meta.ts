/** Builders of cluster states for the tests of meta, coordinator, node and gateway. */
import { appendCommand, beginEntry, ByteWriter, finishEntry, KNOWN_VERSIONS } from '../../src/base/index.js';
import { planGenesis } from '../../src/coordinator/index.js';
import type { MetaState } from '../../src/meta/index.js';
import type { NodeAddresses } from '../../src/base/index.js';
import type { Instance } from '../../src/ports/index.js';

export function makeAddresses(i: number, host = '127.0.0.1'): NodeAddresses {
  return {
    grpc: `${host}:${7600 + i}`,
    peer: `${host}:${7650 + i}`,
    resp: `${host}:${7379 + i}`,
    respMoved: `${host}:${7479 + i}`,
    http: `${host}:${7700 + i}`,
  };
}

export function makeInstance(i: number, instanceId = `instance-${i}`): Instance {
  return { instanceId, addresses: makeAddresses(i), versions: KNOWN_VERSIONS };
}

export function makeState(nodes: number, shards = 4, replicas = 3, clusterId = 'cluster-a'): MetaState {
  const instances = Array.from({ length: nodes }, (_, i) => makeInstance(i + 1));
  return planGenesis({ clusterId, instances, shards, replicas });
}

export function makeMetaEntry(commands: readonly Uint8Array[], stampMs = 1000): Uint8Array {
  const w = new ByteWriter();
  beginEntry(w);
  for (const command of commands) appendCommand(w, command, 0, command.length);
  finishEntry(w, stampMs, commands.length);
  return w.take();
}
