/**
 * What every `PeerNetwork` does, on the simulated and on the real one. Exported as a function; the callers are
 * peer-network.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeId, VersionRange } from '../../src/base/index.js';
import type { PeerChannel, PeerHandlers, PeerIdentity, PeerNetwork } from '../../src/ports/index.js';
import { PEER_CHANNELS } from '../../src/ports/index.js';
import type { ConformanceWorld } from './world.js';

export interface PeerWorld extends ConformanceWorld {
  /** A network for one more life of a process. */
  create(): PeerNetwork;
  /** An address with port 0. */
  readonly listen: string;
}

const MIB = 1024 * 1024;

/** A node under test: its network, and all that it was told. */
class TestNode {
  readonly frames: { from: NodeId; channel: PeerChannel; bytes: Uint8Array }[] = [];
  readonly told: string[] = [];
  heard = 0;
  address = '';
  error: (Error & { code?: string }) | null = null;
  /** Called for each frame instead of keeping it. */
  onFrame: ((channel: PeerChannel, frame: Uint8Array) => void) | null = null;

  constructor(
    readonly network: PeerNetwork,
    readonly identity: PeerIdentity,
  ) {}

  start(listen: string): void {
    const handlers: PeerHandlers = {
      onFrame: (from, channel, frame) => {
        if (this.onFrame) this.onFrame(channel, frame);
        else this.frames.push({ from, channel, bytes: frame.slice() });
      },
      onHeard: () => this.heard++,
      onLinkUp: (node, channel) => this.told.push(`up ${node} ${channel}`),
      onLinkDown: (node, channel) => this.told.push(`down ${node} ${channel}`),
      onDrain: (node, channel) => this.told.push(`drain ${node} ${channel}`),
    };
    this.network.start(listen, this.identity, handlers, (error, bound) => {
      this.error = error;
      this.address = bound;
    });
  }

  count(fact: string): number {
    return this.told.filter((t) => t === fact).length;
  }

  /** First bytes of the frames of a channel, as one number each. */
  numbers(channel: PeerChannel): number[] {
    return this.frames
      .filter((f) => f.channel === channel)
      .map((f) => new DataView(f.bytes.buffer).getUint32(0));
  }
}

function numbered(number: number, size = 4): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

export function peerNetworkSuite(name: string, createWorld: () => PeerWorld): void {
  describe(`${name} as a PeerNetwork`, () => {
    let world: PeerWorld;
    let nodes: TestNode[] = [];

    async function node(
      id: NodeId,
      more: Partial<PeerIdentity> = {},
      listen?: string,
      versions?: { readonly known: VersionRange; readonly inForce: number },
    ): Promise<TestNode> {
      const identity = { clusterId: 'alpha', nodeId: id, bootNumber: 1, nonce: `nonce-${id}`, ...more };
      const made = new TestNode(world.create(), identity);
      nodes.push(made);
      if (versions) made.network.setVersions(versions.known, versions.inForce);
      made.start(listen ?? world.listen);
      await world.until('listening', () => made.address !== '' || made.error !== null);
      return made;
    }

    function introduce(...all: TestNode[]): void {
      for (const a of all) {
        for (const b of all) if (a !== b) a.network.setAddress(b.identity.nodeId, b.address);
      }
    }

    async function link(a: TestNode, b: TestNode, channel: PeerChannel): Promise<void> {
      const [idA, idB] = [a.identity.nodeId, b.identity.nodeId];
      a.network.send(idB, channel, new Uint8Array(1));
      b.network.send(idA, channel, new Uint8Array(1));
      await world.until('both up', () => {
        return a.told.includes(`up ${idB} ${channel}`) && b.told.includes(`up ${idA} ${channel}`);
      });
    }

    async function stop(which: TestNode): Promise<void> {
      let stopped = false;
      which.network.stop(() => (stopped = true));
      await world.until('stopped', () => stopped);
      nodes = nodes.filter((n) => n !== which);
    }

    async function pair(channel: PeerChannel): Promise<[TestNode, TestNode]> {
      world = createWorld();
      const a = await node(1);
      const b = await node(2);
      introduce(a, b);
      await link(a, b, channel);
      return [a, b];
    }

    afterEach(async () => {
      for (const each of nodes) await stop(each);
    });

    it('opens a link on the first send, which is refused, and carries frames once it is up', async () => {
      world = createWorld();
      const a = await node(1);
      const b = await node(2);
      introduce(a, b);
      for (const channel of PEER_CHANNELS) {
        expect(a.network.send(2, channel, numbered(7))).toBe(false);
        await world.until('up', () => a.told.includes(`up 2 ${channel}`));
        expect(a.network.send(2, channel, numbered(8))).toBe(true);
        await world.until('frame', () => b.numbers(channel).length > 0);
        expect(b.numbers(channel)).toEqual([8]);
      }
      expect(b.frames.every((f) => f.from === 1)).toBe(true);
      expect(b.heard).toBeGreaterThanOrEqual(3);
    });

    it('answers on a link that the other side opened', async () => {
      world = createWorld();
      const a = await node(1);
      const b = await node(2);
      introduce(a, b);
      b.onFrame = (channel, frame) => {
        expect(b.network.send(1, channel, frame)).toBe(true);
      };
      a.network.send(2, 'forward', numbered(1));
      await world.until('up', () => a.told.includes('up 2 forward'));
      expect(a.network.send(2, 'forward', numbered(2))).toBe(true);
      await world.until('answer', () => a.numbers('forward').length > 0);
      expect(a.numbers('forward')).toEqual([2]);
    });

    it('refuses a send to a node whose address is not known', async () => {
      world = createWorld();
      const a = await node(1);
      expect(a.network.send(2, 'raft', numbered(1))).toBe(false);
      await world.settle();
      expect(a.network.send(2, 'raft', numbered(1))).toBe(false);
      expect(a.told).toEqual([]);
    });

    it.each(['forward', 'bulk'] as const)(
      'keeps the order of %s frames, large and small',
      async (channel) => {
        const [a, b] = await pair(channel);
        const sizes = [4, 70_000, 4, 300_000, 5, 262_144, 262_145, 6, 1_000_000, 4];
        for (let i = 0; i < 200; i++) a.network.send(2, channel, numbered(i));
        sizes.forEach((size, i) => expect(a.network.send(2, channel, numbered(200 + i, size))).toBe(true));
        await world.until('all', () => b.frames.length === 210);
        expect(b.numbers(channel)).toEqual(Array.from({ length: 210 }, (_, i) => i));
        expect(b.frames.slice(200).map((f) => f.bytes.length)).toEqual(sizes);
      },
    );

    it('copies a frame before send returns', async () => {
      const [a, b] = await pair('raft');
      const small = numbered(1);
      const large = numbered(2, 600_000);
      a.network.send(2, 'raft', small);
      a.network.send(2, 'raft', large);
      small.fill(9);
      large.fill(9);
      await world.until('both', () => b.frames.length === 2);
      expect(b.numbers('raft').sort()).toEqual([1, 2]);
    });

    it('E114 carries a frame of 8 MiB whole', async () => {
      const [a, b] = await pair('raft');
      const frame = new Uint8Array(8 * MIB);
      for (let i = 0; i < frame.length; i += 4099) frame[i] = i & 255;
      expect(a.network.send(2, 'raft', frame)).toBe(true);
      await world.until('whole', () => b.frames.length === 1);
      expect(Buffer.compare(b.frames[0]?.bytes as Uint8Array, frame)).toBe(0);
    });

    it('refuses what the queue cannot take, tells when there is room, and loses nothing it took', async () => {
      const [a, b] = await pair('bulk');
      let taken = 0;
      while (a.network.send(2, 'bulk', numbered(taken, 500_000))) taken++;
      expect(taken).toBeGreaterThan(2);
      expect(taken).toBeLessThan(20);
      await world.until('room', () => a.told.includes('drain 2 bulk'));
      expect(a.network.send(2, 'bulk', numbered(taken++, 500_000))).toBe(true);
      await world.until('all', () => b.frames.length === taken);
      expect(b.numbers('bulk')).toEqual(Array.from({ length: taken }, (_, i) => i));
      expect(a.count('drain 2 bulk')).toBe(1);
    });

    it('E71 a flooded forward channel does not hold up raft frames', async () => {
      const [a, b] = await pair('raft');
      await link(a, b, 'forward');
      while (a.network.send(2, 'forward', numbered(0, 1 * MIB)));
      expect(a.network.send(2, 'raft', numbered(5))).toBe(true);
      await world.until('raft', () => b.numbers('raft').length === 1);
    });

    it('hears a silent peer as long as the link holds', async () => {
      const [a, b] = await pair('raft');
      const [heardByA, heardByB] = [a.heard, b.heard];
      await world.until('keep-alives', () => a.heard >= heardByA + 3 && b.heard >= heardByB + 3);
      expect(a.frames.length + b.frames.length).toBe(0);
    });

    it('tells that a link is down, and brings it up again with the next life of the peer', async () => {
      const [a, b] = await pair('forward');
      const address = b.address;
      await stop(b);
      await world.until('down', () => a.told.includes('down 2 forward'));
      expect(a.network.send(2, 'forward', numbered(1))).toBe(false);
      const later = await node(2, { bootNumber: 2, nonce: 'later' }, address);
      later.network.setAddress(1, a.address);
      await world.until('up again', () => a.count('up 2 forward') === 2);
      expect(a.network.send(2, 'forward', numbered(2))).toBe(true);
      await world.until('frame', () => later.frames.length === 1);
      expect(later.numbers('forward')).toEqual([2]);
    });

    it('follows a peer to a new address', async () => {
      const [a, b] = await pair('forward');
      await stop(b);
      const moved = await node(2, { bootNumber: 2, nonce: 'moved' });
      a.network.setAddress(2, moved.address);
      a.network.send(2, 'forward', numbered(1));
      await world.until('up again', () => a.count('up 2 forward') === 2);
      expect(a.network.send(2, 'forward', numbered(3))).toBe(true);
      await world.until('frame', () => moved.frames.length === 1);
    });

    it('E24 drops a node of another cluster', async () => {
      world = createWorld();
      const a = await node(1);
      const b = await node(2, { clusterId: 'beta' });
      introduce(a, b);
      for (const channel of PEER_CHANNELS) {
        a.network.send(2, channel, numbered(1));
        b.network.send(1, channel, numbered(1));
      }
      await world.settle();
      for (const each of [a, b]) expect([each.told, each.frames, each.heard]).toEqual([[], [], 0]);
    });

    it('E125 drops a node whose build does not know the version in force, and takes one that does', async () => {
      world = createWorld();
      const newer = { known: { min: 1, max: 3 }, inForce: 2 };
      const a = await node(1, {}, undefined, newer);
      const b = await node(2, {}, undefined, { known: { min: 1, max: 1 }, inForce: 1 });
      const c = await node(3, {}, undefined, { known: { min: 1, max: 2 }, inForce: 1 });
      introduce(a, b);
      for (const channel of PEER_CHANNELS) {
        a.network.send(2, channel, numbered(1));
        b.network.send(1, channel, numbered(1));
      }
      await world.settle();
      for (const each of [a, b]) expect([each.told, each.frames, each.heard]).toEqual([[], [], 0]);
      introduce(a, c);
      await link(a, c, 'raft');
      // Raised since: who comes anew must know it.
      a.network.setVersions(newer.known, 3);
      const d = await node(4, {}, undefined, { known: { min: 1, max: 2 }, inForce: 2 });
      introduce(a, d);
      d.network.send(1, 'raft', numbered(1));
      a.network.send(4, 'raft', numbered(1));
      await world.settle();
      expect([d.told, d.frames]).toEqual([[], []]);
    });

    it('E24 drops a node that is not the one wanted at this address', async () => {
      world = createWorld();
      const a = await node(1);
      const b = await node(2);
      a.network.setAddress(3, b.address);
      a.network.send(3, 'raft', numbered(1));
      await world.settle();
      expect(a.told).toEqual([]);
      expect(b.told).toEqual([]);
    });

    it('E24 drops an earlier life of a node once a later one has spoken', async () => {
      world = createWorld();
      const a = await node(1);
      const later = await node(2, { bootNumber: 5, nonce: 'later' });
      introduce(a, later);
      await link(a, later, 'raft');
      const earlier = await node(2, { bootNumber: 4, nonce: 'earlier' });
      earlier.network.setAddress(1, a.address);
      earlier.network.send(1, 'raft', numbered(9));
      await world.settle();
      expect(earlier.network.send(1, 'raft', numbered(9))).toBe(false);
      expect(earlier.told).toEqual([]);
      expect(a.frames).toEqual([]);
      expect(later.network.send(1, 'raft', numbered(1))).toBe(true);
      await world.until('the later one is heard', () => a.frames.length === 1);
    });

    it('E24 ends every link of an earlier life when a later one speaks', async () => {
      world = createWorld();
      const a = await node(1);
      const earlier = await node(2);
      introduce(a, earlier);
      await link(a, earlier, 'raft');
      await link(a, earlier, 'forward');
      const later = await node(2, { bootNumber: 2, nonce: 'later' });
      introduce(a, later);
      later.network.send(1, 'raft', numbered(1));
      await world.until('downs', () => a.told.includes('down 2 raft') && a.told.includes('down 2 forward'));
      await world.until('ups', () => a.count('up 2 raft') === 2);
      earlier.network.send(1, 'raft', numbered(66));
      later.network.send(1, 'raft', numbered(77));
      await world.settle();
      expect(a.numbers('raft').includes(66)).toBe(false);
    });

    it('E121 drops a copy of a running node', async () => {
      world = createWorld();
      const a = await node(1);
      const original = await node(2);
      introduce(a, original);
      await link(a, original, 'raft');
      const copy = await node(2, { nonce: 'another' });
      copy.network.setAddress(1, a.address);
      copy.network.send(1, 'raft', numbered(9));
      await world.settle();
      expect(copy.told).toEqual([]);
      expect(a.frames).toEqual([]);
    });

    it('says which address is in use', async () => {
      world = createWorld();
      const a = await node(1);
      const b = await node(2, {}, a.address);
      expect(b.error?.code).toBe('EADDRINUSE');
      expect(b.error?.message).toContain(a.address);
    });

    it('frees its address when it stops', async () => {
      world = createWorld();
      const a = await node(1);
      const { address } = a;
      await stop(a);
      const again = await node(1, { bootNumber: 2 }, address);
      expect(again.error).toBe(null);
    });
  });
}
