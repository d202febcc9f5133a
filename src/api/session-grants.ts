/**
 * Sessions that this node grants: to its clients, and to itself. Nobody is asked and nothing is kept: a shard learns of
 * a session from the first write under it (kv/sessions.ts). Numbers are of this node and otherwise drawn, and a grant's
 * millisecond is part of what a session is, so that no two are the same.
 */
import type { NodeId, WallMs } from '../base/index.js';
import type { SessionGrant } from '../kv/index.js';
import type { Entropy } from '../ports/index.js';

/** Long against any deadline, short against what a shard may keep of clients that are gone. */
export const SESSION_LIFETIME_MS = 600_000;

const NODES = 65_536;
const DRAWN_HIGH = 32;
const TWO_32 = 4294967296;

export class SessionGrants {
  constructor(
    private readonly nodeId: NodeId,
    private readonly entropy: Entropy,
    /** The wall clock as far as the cluster trusts this node's. */
    private readonly wallMs: () => WallMs,
    /** Whether every node of the cluster knows sessions. */
    private readonly mayGrant: () => boolean = () => true,
  ) {}

  /** Null while the cluster is at a version without sessions. */
  grant(): SessionGrant | null {
    if (!this.mayGrant()) return null;
    const drawn = (this.entropy.u32() % DRAWN_HIGH) * TWO_32 + this.entropy.u32();
    const session = (this.nodeId % NODES) * (DRAWN_HIGH * TWO_32) + drawn;
    return {
      session: Math.max(1, session),
      grantedMs: Math.floor(this.wallMs()),
      lifetimeMs: SESSION_LIFETIME_MS,
    };
  }
}
