/**
 * The handshake of a peer connection, and the judgement over it. The dialling side says who it is and whom it wants
 * (hello); the listening side answers yes or no and who it is (welcome). The same judgement serves the real and the
 * simulated network.
 *
 *   hello    u32 magic | u8 versionMin | u8 versionMax | u8 version | u8 channel | string16 clusterId | u32 nodeId | u64 bootNumber
 *            | string16 nonce | u32 wanted node | u16 length + authentication (empty for now)
 *   welcome  u32 magic | u8 verdict (0 accepted) | u8 versionMin | u8 versionMax | u8 version | string16 text | string16 clusterId | u32 nodeId
 *            | u64 bootNumber | string16 nonce
 *
 * Versions are cluster versions (base/cluster-version.ts): the range that a side's build knows, and the one in force
 * there. Whoever knows of a version in force that the other's build does not know refuses it.
 *
 * Every start of a node has a higher boot number than the one before, and a nonce of its own. A lower boot number
 * than one heard before, or an equal one with another nonce, speaks for a directory that was copied or restored:
 * such a node may have forgotten votes and acknowledgements, so nothing of it is listened to.
 */
import {
  ByteReader,
  describeVersions,
  knowsVersion,
  KNOWN_VERSIONS,
  type ByteWriter,
  type NodeId,
  type VersionRange,
} from '../base/index.js';
import { PEER_CHANNELS, type PeerChannel, type PeerIdentity } from '../ports/index.js';
import { asMalformed, expectEnd, MalformedFrame, putId, putSafe, restart } from './malformed.js';

/** "QRTP". */
const MAGIC = 0x51525450;
/** A hello or welcome is short; more is garbage, or somebody else's protocol. */
export const HANDSHAKE_BYTES_MAX = 4096;
/** Cluster ids and nonces are short; bounded so that a handshake that we write is one that we accept. */
const NAME_CHARACTERS_MAX = 256;

export interface Hello {
  readonly versions: VersionRange;
  /** In force at the dialling side. */
  readonly version: number;
  readonly channel: PeerChannel;
  readonly identity: PeerIdentity;
  /** The node that the caller believes to be at this address. */
  readonly wanted: NodeId;
  readonly authentication: Uint8Array;
}

/** Numbers travel on the wire: never reused. */
const REFUSALS = {
  UNSUPPORTED_VERSION: 1,
  WRONG_CLUSTER: 2,
  WRONG_NODE: 3,
  OLD_DATA_DIRECTORY: 4,
  UNAVAILABLE: 5,
} as const;
export type HandshakeRefusal = keyof typeof REFUSALS;

export type Verdict =
  /** `newLife`: the first word of a later start of that node; connections of its earlier life are void. */
  | { readonly kind: 'accepted'; readonly newLife: boolean }
  | { readonly kind: 'refused'; readonly reason: HandshakeRefusal; readonly text: string };

export interface Welcome {
  /** 'refused' without `newLife`: only the listening side knows. */
  readonly refused: HandshakeRefusal | null;
  readonly text: string;
  readonly versions: VersionRange;
  /** In force at the listening side, also when it refused. */
  readonly version: number;
  readonly identity: PeerIdentity;
}

export function encodeHello(w: ByteWriter, hello: Hello): Uint8Array {
  restart(w);
  w.u32(MAGIC);
  w.u8(hello.versions.min);
  w.u8(hello.versions.max);
  w.u8(hello.version);
  w.u8(PEER_CHANNELS.indexOf(hello.channel));
  putIdentity(w, hello.identity);
  putId(w, hello.wanted);
  w.u16(hello.authentication.length);
  w.bytes(hello.authentication);
  return w.view();
}

/** Throws `MalformedFrame`. */
export function decodeHello(bytes: Uint8Array): Hello {
  const reader = new ByteReader(bytes);
  try {
    expectMagic(reader);
    const versions = { min: reader.u8(), max: reader.u8() };
    const version = reader.u8();
    const channelNumber = reader.u8();
    const channel = PEER_CHANNELS[channelNumber];
    if (channel === undefined) throw new MalformedFrame(`hello: unknown channel ${channelNumber}`);
    const identity = readIdentity(reader);
    const wanted = reader.u32();
    const authentication = reader.bytes(reader.u16());
    expectEnd(reader, 'hello');
    return { versions, version, channel, identity, wanted, authentication };
  } catch (error) {
    throw asMalformed(error, 'hello');
  }
}

export function encodeWelcome(w: ByteWriter, welcome: Welcome): Uint8Array {
  restart(w);
  w.u32(MAGIC);
  w.u8(welcome.refused === null ? 0 : REFUSALS[welcome.refused]);
  w.u8(welcome.versions.min);
  w.u8(welcome.versions.max);
  w.u8(welcome.version);
  w.string16(welcome.text);
  putIdentity(w, welcome.identity);
  return w.view();
}

/** Throws `MalformedFrame`. */
export function decodeWelcome(bytes: Uint8Array): Welcome {
  const reader = new ByteReader(bytes);
  try {
    expectMagic(reader);
    const refused = refusalOf(reader.u8());
    const versions = { min: reader.u8(), max: reader.u8() };
    const version = reader.u8();
    const text = reader.string16();
    const identity = readIdentity(reader);
    expectEnd(reader, 'welcome');
    return { refused, text, versions, version, identity };
  } catch (error) {
    throw asMalformed(error, 'welcome');
  }
}

interface Life {
  bootNumber: number;
  nonce: string;
}

/** Judges what peers say of themselves. Remembers the highest start heard of each node, in both directions of dialling. */
export class HandshakeGuard {
  /** By node; grows with the nodes that proved to be of this cluster. */
  private readonly lives = new Map<NodeId, Life>();

  constructor(
    readonly self: PeerIdentity,
    private readonly known: VersionRange = KNOWN_VERSIONS,
    private inForce: number = known.min,
  ) {}

  /** The cluster version in force, as far as this node knows. */
  raise(version: number): void {
    this.inForce = Math.max(this.inForce, version);
  }

  hello(channel: PeerChannel, wanted: NodeId): Hello {
    return {
      versions: this.known,
      version: this.inForce,
      channel,
      identity: this.self,
      wanted,
      authentication: new Uint8Array(0),
    };
  }

  welcome(verdict: Verdict): Welcome {
    const { self: identity, known: versions, inForce: version } = this;
    if (verdict.kind === 'accepted') return { refused: null, text: '', versions, version, identity };
    return { refused: verdict.reason, text: verdict.text, versions, version, identity };
  }

  /** At the listening side. */
  judgeHello(hello: Hello): Verdict {
    const { identity } = hello;
    const unsupported = this.judgeVersions(identity.nodeId, hello);
    if (unsupported !== null) return unsupported;
    if (identity.clusterId === this.self.clusterId && hello.wanted !== this.self.nodeId) {
      return this.refuse('WRONG_NODE', `node ${hello.wanted} was wanted, this is node ${this.self.nodeId}`);
    }
    return this.judgeIdentity(hello.identity);
  }

  /** At the dialling side: `wanted` is the node that was dialled. */
  judgeWelcome(wanted: NodeId, welcome: Welcome): Verdict {
    if (welcome.refused !== null) return this.refuse(welcome.refused, `the peer says: ${welcome.text}`);
    const unsupported = this.judgeVersions(wanted, welcome);
    if (unsupported !== null) return unsupported;
    const { identity } = welcome;
    if (identity.clusterId === this.self.clusterId && identity.nodeId !== wanted) {
      return this.refuse('WRONG_NODE', `node ${wanted} was wanted, node ${identity.nodeId} answered`);
    }
    return this.judgeIdentity(identity);
  }

  /** Whether this start of the node is the latest one heard of. */
  isCurrent(node: NodeId, bootNumber: number): boolean {
    return this.lives.get(node)?.bootNumber === bootNumber;
  }

  private judgeIdentity(identity: PeerIdentity): Verdict {
    const { clusterId, nodeId, bootNumber, nonce } = identity;
    if (clusterId !== this.self.clusterId) {
      return this.refuse('WRONG_CLUSTER', `of cluster ${clusterId}, this is ${this.self.clusterId}`);
    }
    const known = this.lives.get(nodeId);
    if (nodeId === this.self.nodeId) {
      return this.refuse('OLD_DATA_DIRECTORY', `node ${nodeId} is this node: a second copy of its directory`);
    }
    if (known === undefined) {
      this.lives.set(nodeId, { bootNumber, nonce });
      return { kind: 'accepted', newLife: true };
    }
    if (bootNumber < known.bootNumber) {
      return this.refuse('OLD_DATA_DIRECTORY', `boot ${bootNumber} after boot ${known.bootNumber}`);
    }
    if (bootNumber === known.bootNumber && nonce !== known.nonce) {
      return this.refuse('OLD_DATA_DIRECTORY', `boot ${bootNumber} with two nonces: two copies run`);
    }
    const newLife = bootNumber > known.bootNumber;
    known.bootNumber = bootNumber;
    known.nonce = nonce;
    return { kind: 'accepted', newLife };
  }

  /** Null when each side's build knows what is in force at the other. */
  private judgeVersions(node: NodeId, theirs: Pick<Hello, 'versions' | 'version'>): Verdict | null {
    const { self, known, inForce } = this;
    if (!knowsVersion(theirs.versions, inForce))
      return this.refuse('UNSUPPORTED_VERSION', describeOlder(node, theirs.versions, self.nodeId, inForce));
    if (!knowsVersion(known, theirs.version))
      return this.refuse('UNSUPPORTED_VERSION', describeOlder(self.nodeId, known, node, theirs.version));
    return null;
  }

  private refuse(reason: HandshakeRefusal, text: string): Verdict {
    return { kind: 'refused', reason, text };
  }
}

function describeOlder(node: NodeId, known: VersionRange, other: NodeId, inForce: number): string {
  return (
    `node ${node} knows cluster version ${describeVersions(known)}, and node ${other} has version ${inForce} in force: ` +
    `start node ${node} with a build that knows it`
  );
}

function expectMagic(reader: ByteReader): void {
  const magic = reader.u32();
  if (magic !== MAGIC) throw new MalformedFrame(`handshake: begins with ${magic.toString(16)}`);
}

function putIdentity(w: ByteWriter, identity: PeerIdentity): void {
  putName(w, identity.clusterId);
  putId(w, identity.nodeId);
  putSafe(w, identity.bootNumber);
  putName(w, identity.nonce);
}

function readIdentity(reader: ByteReader): PeerIdentity {
  const clusterId = readName(reader);
  const nodeId = reader.u32();
  const bootNumber = reader.u64();
  return { clusterId, nodeId, bootNumber, nonce: readName(reader) };
}

function putName(w: ByteWriter, name: string): void {
  if (name.length > NAME_CHARACTERS_MAX) throw new RangeError(`name of ${name.length} characters`);
  w.string16(name);
}

function readName(reader: ByteReader): string {
  const name = reader.string16();
  if (name.length > NAME_CHARACTERS_MAX) throw new MalformedFrame('handshake: name too long');
  return name;
}

function refusalOf(number: number): HandshakeRefusal | null {
  if (number === 0) return null;
  for (const reason of Object.keys(REFUSALS) as HandshakeRefusal[]) {
    if (REFUSALS[reason] === number) return reason;
  }
  throw new MalformedFrame(`welcome: unknown verdict ${number}`);
}
