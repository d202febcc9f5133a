/**
 * The streams to all nodes, and which of them a shard's operations should take. The leader's if it can be had; else
 * any that stands, since every node serves every key; else whichever opens first.
 */
import type { GroupId, MonoMs } from '../base/index.js';
import { NodeLink } from './node-link.js';
import type { NodeLinkOwner, NodeLinkPorts } from './node-link.js';
import type { RouteTable } from './route-table.js';

/** A stream that does not stand after this long is given up, and tried again later. */
const OPEN_MS_MAX = 1000;
/** A node that owes answers and says nothing for this long is passed over where that is possible. */
const SILENT_MS_MAX = 1000;

export class LinkPool {
  private readonly links = new Map<string, NodeLink>();
  private turn: number;

  constructor(
    private readonly ports: NodeLinkPorts,
    private readonly routes: RouteTable,
    private readonly endpoints: readonly string[],
    private readonly owner: NodeLinkOwner,
  ) {
    this.turn = ports.entropy.u32() % 0xffff;
  }

  /**
   * Where to send operations of the shard; null: nowhere yet, and `owner.onRoom` or the time `nextOpenAt` says when to
   * ask again. `present` is the stream they went to so far: it is kept when no other is better.
   */
  choose(shard: GroupId, present: NodeLink | null, now: MonoMs): NodeLink | null {
    const address = this.routes.leaderAddress(shard);
    const leader = address === '' ? null : this.linkTo(address);
    if (leader !== null) {
      if (leader.isUsable) return leader;
      if (leader.mayOpen(now)) leader.open(now);
      // The first opening is worth waiting for: it is a matter of one round trip.
      if (leader.state === 'opening' && leader.failures === 0) return null;
    }
    if (present?.isUsable) return present;
    const other = this.anyUsable();
    if (other !== null) return other;
    this.openAnother(now);
    if (this.isOpening) return null;
    // Better a silent one than none.
    return leader?.state === 'open' ? leader : null;
  }

  /**
   * As `choose`, for reads that any replica may answer: any of its nodes, others before the leader's. They stay where
   * they are while that is one of them.
   */
  chooseReplica(shard: GroupId, present: NodeLink | null, now: MonoMs): NodeLink | null {
    const addresses = this.routes.replicaAddresses(shard);
    if (present?.isUsable && addresses.includes(present.address)) return present;
    const followers = addresses.length - 1;
    const first = followers > 0 ? this.turn++ % followers : 0;
    for (let i = 0; i < followers; i++) {
      const link = this.linkTo(addresses[(first + i) % followers] as string);
      if (link.isUsable) return link;
      if (link.mayOpen(now)) link.open(now);
      if (link.state === 'opening' && link.failures === 0) return null;
    }
    return this.choose(shard, null, now);
  }

  /** Earliest time at which another stream may be opened; Infinity: none waits, or one is opening and will be heard of. */
  nextOpenAt(now: MonoMs): MonoMs {
    let at = Infinity;
    for (const link of this.links.values()) {
      if (link.state === 'opening') return Infinity;
      if (link.state === 'idle' && link.retryAt > now && link.retryAt < at) at = link.retryAt;
    }
    return at;
  }

  /** Gives up what takes too long, and marks who is silent; to be called every now and then. */
  lookAfter(now: MonoMs): void {
    const wanted = new Set(this.addresses());
    for (const link of [...this.links.values()]) {
      if (link.state === 'opening' && now - link.openingSince >= OPEN_MS_MAX) {
        link.lose(`no connection within ${OPEN_MS_MAX} ms`);
      } else if (link.state === 'open' && link.sentCount > 0 && now - link.waitingSince >= SILENT_MS_MAX) {
        link.isSuspect = true;
      } else if (link.isSuspect && link.sentCount === 0) {
        link.lose('silent for too long'); // nothing is owed any more, so nothing would clear it of the suspicion
      }
      if (link.sentCount === 0 && !wanted.has(link.address)) {
        link.close();
        this.links.delete(link.address);
      }
    }
  }

  get isOpening(): boolean {
    for (const link of this.links.values()) if (link.state === 'opening') return true;
    return false;
  }

  *[Symbol.iterator](): IterableIterator<NodeLink> {
    yield* this.links.values();
  }

  close(): void {
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }

  private linkTo(address: string): NodeLink {
    let link = this.links.get(address);
    if (link === undefined) {
      link = new NodeLink(address, this.ports, this.owner);
      this.links.set(address, link);
    }
    return link;
  }

  private anyUsable(): NodeLink | null {
    for (const link of this.links.values()) if (link.isUsable) return link;
    return null;
  }

  /** Opens one more stream, in turns, unless one is opening already. */
  private openAnother(now: MonoMs): void {
    if (this.isOpening) return;
    const addresses = this.addresses();
    for (let i = 0; i < addresses.length; i++) {
      const link = this.linkTo(addresses[this.turn++ % addresses.length] as string);
      if (!link.mayOpen(now)) continue;
      link.open(now);
      return;
    }
  }

  private addresses(): readonly string[] {
    const nodes = this.routes.nodeAddresses();
    return nodes.length > 0 ? nodes : this.endpoints;
  }
}
