/**
 * What a node remembers of itself between starts, as values of the log store: which process directory this is, how
 * often it was started, and which cluster it belongs to.
 *
 * `instance` and `boot` are written at every start before anything is said to anyone; `member` is written in the same
 * batch that creates the node's first replicas, so that a member never lacks them.
 */
import { ByteReader, ByteWriter, type NodeId } from '../base/index.js';
import { decodeMetaState, encodeMetaState, type MetaState } from '../meta/index.js';

export const VALUE_INSTANCE = 'instance';
export const VALUE_BOOT = 'boot';
export const VALUE_MEMBER = 'member';

const VERSION = 1;

export interface Membership {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** The newest cluster state this node has seen. */
  readonly state: MetaState;
}

export function encodeText(text: string): Uint8Array {
  const w = new ByteWriter(64);
  w.u8(VERSION);
  w.string16(text);
  return w.take();
}

export function decodeText(bytes: Uint8Array): string {
  const r = new ByteReader(bytes);
  expectVersion(r);
  return r.string16();
}

export function encodeNumber(value: number): Uint8Array {
  const w = new ByteWriter(16);
  w.u8(VERSION);
  w.u64(value);
  return w.take();
}

export function decodeNumber(bytes: Uint8Array): number {
  const r = new ByteReader(bytes);
  expectVersion(r);
  return r.u64();
}

export function encodeMembership(membership: Membership): Uint8Array {
  const w = new ByteWriter(1024);
  w.u8(VERSION);
  w.string16(membership.clusterId);
  w.u32(membership.nodeId);
  w.bytes(encodeMetaState(membership.state));
  return w.take();
}

export function decodeMembership(bytes: Uint8Array): Membership {
  const r = new ByteReader(bytes);
  expectVersion(r);
  return { clusterId: r.string16(), nodeId: r.u32(), state: decodeMetaState(r.bytes(r.remaining)) };
}

function expectVersion(r: ByteReader): void {
  const version = r.u8();
  if (version !== VERSION)
    throw new RangeError(`stored value of version ${version}, this program reads ${VERSION}`);
}
