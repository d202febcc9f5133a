/**
 * A group's configuration as bytes, wherever it travels or is stored:
 *
 *   u64 version | u8 autoLeave | four lists: voters, outgoing, learners, learnersNext; each u16 count | u32 replica id…
 *   u32 highest id ever | homes: u16 count | (u32 replica id | u32 node id)…
 *
 * A log entry that changes it holds u8 version (1) and then the same.
 */
import { assert, ByteReader, ByteWriter, type ReplicaId } from '../base/index.js';
import type { Configuration, ConfigurationCodec, Home } from '../raft/index.js';
import { MalformedFrame, putId, putSafe } from './malformed.js';

/** Members of one list; a group has a handful. */
const MEMBERS_MAX = 1024;

export function putConfiguration(w: ByteWriter, configuration: Configuration): void {
  putSafe(w, configuration.version);
  w.u8(configuration.autoLeave ? 1 : 0);
  putReplicas(w, configuration.voters);
  putReplicas(w, configuration.outgoing);
  putReplicas(w, configuration.learners);
  putReplicas(w, configuration.learnersNext);
  putId(w, configuration.highestId);
  w.u16(configuration.homes.length);
  for (const { replica, node } of configuration.homes) {
    putId(w, replica);
    putId(w, node);
  }
}

export function readConfiguration(reader: ByteReader): Configuration {
  const version = reader.u64();
  const autoLeave = reader.u8();
  if (autoLeave > 1) throw new MalformedFrame(`configuration: autoLeave ${autoLeave}`);
  return {
    version,
    autoLeave: autoLeave === 1,
    voters: readReplicas(reader),
    outgoing: readReplicas(reader),
    learners: readReplicas(reader),
    learnersNext: readReplicas(reader),
    highestId: reader.u32(),
    homes: readHomes(reader),
  };
}

function readHomes(reader: ByteReader): Home[] {
  const count = reader.u16();
  if (count > MEMBERS_MAX) throw new MalformedFrame(`configuration: ${count} homes`);
  const homes: Home[] = [];
  for (let i = 0; i < count; i++) homes.push({ replica: reader.u32(), node: reader.u32() });
  return homes;
}

const ENTRY_VERSION = 1;

export const configurationEntries: ConfigurationCodec = {
  encode(configuration) {
    const w = new ByteWriter(128);
    w.u8(ENTRY_VERSION);
    putConfiguration(w, configuration);
    return w.take();
  },
  decode(data) {
    const reader = new ByteReader(data);
    const version = reader.u8();
    if (version !== ENTRY_VERSION)
      throw new MalformedFrame(
        `configuration entry of version ${version}, this program reads ${ENTRY_VERSION}`,
      );
    const configuration = readConfiguration(reader);
    if (reader.remaining > 0) throw new MalformedFrame('configuration entry: bytes left over');
    return configuration;
  },
};

function putReplicas(w: ByteWriter, replicas: readonly ReplicaId[]): void {
  assert(replicas.length <= MEMBERS_MAX, `${replicas.length} members in one list`);
  w.u16(replicas.length);
  for (const replica of replicas) putId(w, replica);
}

function readReplicas(reader: ByteReader): ReplicaId[] {
  const count = reader.u16();
  if (count > MEMBERS_MAX) throw new MalformedFrame(`configuration: ${count} members in one list`);
  const replicas: ReplicaId[] = [];
  for (let i = 0; i < count; i++) replicas.push(reader.u32());
  return replicas;
}
