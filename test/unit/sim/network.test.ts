/**
 * Goal: the simulated network does to each kind of traffic what it says and no more, tells both sides of a broken
 * link, and is a function of its seed. What it shares with TCP is in the conformance suites.
 */
import { describe, expect, it } from 'vitest';
import { Prng, type NodeId } from '../../../src/base/index.js';
import type { PeerChannel, PeerNetwork } from '../../../src/ports/index.js';
import { SimLoop, type Owner } from '../../sim/world/loop.js';
import { SimNetwork, type SimNetworkOptions } from '../../sim/world/network.js';
import { onlyControl } from '../../support/rpc-handlers.js';

interface Life {
  readonly owner: Owner;
  readonly network: PeerNetwork;
  readonly told: string[];
  readonly numbers: number[];
  readonly kept: Uint8Array[];
  heard: number;
}

class World {
  readonly loop = new SimLoop();
  readonly network: SimNetwork;

  constructor(options: Partial<SimNetworkOptions> = {}, seed = 1) {
    this.network = new SimNetwork(this.loop, new Prng(seed), options);
  }

  life(node: NodeId, bootNumber = 1): Life {
    const owner = this.loop.owner();
    const network = this.network.peers(owner);
    const life: Life = { owner, network, told: [], numbers: [], kept: [], heard: 0 };
    const identity = { clusterId: 'c', nodeId: node, bootNumber, nonce: `${node}.${bootNumber}` };
    network.start(
      `n${node}:1`,
      identity,
      {
        onFrame: (_from, _channel, frame) => {
          life.numbers.push(frame[0] as number);
          life.kept.push(frame);
        },
        onHeard: () => life.heard++,
        onLinkUp: (peer, channel) => void life.told.push(`up ${peer} ${channel}`),
        onLinkDown: (peer, channel) => void life.told.push(`down ${peer} ${channel}`),
        onDrain: () => undefined,
      },
      (error) => {
        if (error) throw error;
      },
    );
    for (const other of [1, 2, 3]) if (other !== node) network.setAddress(other, `n${other}:1`);
    return life;
  }

  /** Two linked nodes. */
  pair(channel: PeerChannel): [Life, Life] {
    const [a, b] = [this.life(1), this.life(2)];
    a.network.send(2, channel, new Uint8Array(1));
    this.run(200);
    expect(a.told).toEqual([`up 2 ${channel}`]);
    expect(b.told).toEqual([`up 1 ${channel}`]);
    return [a, b];
  }

  run(ms: number): void {
    this.loop.runUntil(this.loop.now() + ms);
  }
}

function sendNumbers(life: Life, to: NodeId, channel: PeerChannel, count: number): void {
  for (let i = 0; i < count; i++) life.network.send(to, channel, Uint8Array.of(i));
}

const ascending = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('simulated raft frames', () => {
  it('are lost, duplicated and reordered as asked, and counted', () => {
    const world = new World({ loss: 0.2, duplicate: 0.2, reorder: 0.5 });
    const [a, b] = world.pair('raft');
    sendNumbers(a, 2, 'raft', 200);
    world.run(100);
    const { counters } = world.network;
    expect(counters.framesDropped).toBeGreaterThan(20);
    expect(counters.framesDuplicated).toBeGreaterThan(20);
    expect(b.numbers.length).toBe(200 - counters.framesDropped + counters.framesDuplicated);
    expect(b.numbers).not.toEqual([...b.numbers].sort((x, y) => x - y));
  });

  it('arrive in order and once by default', () => {
    const world = new World();
    const [a, b] = world.pair('raft');
    sendNumbers(a, 2, 'raft', 200);
    world.run(100);
    expect(b.numbers).toEqual(ascending(200));
  });

  it('are poisoned after delivery, so that a kept view shows', () => {
    const world = new World();
    const [a, b] = world.pair('raft');
    a.network.send(2, 'raft', Uint8Array.of(5, 5));
    world.run(100);
    expect([...(b.kept[0] as Uint8Array)]).toEqual([0xee, 0xee]);
  });
});

describe('simulated ordered frames', () => {
  it('arrive in order until a reset, are lost then, and both sides are told', () => {
    const world = new World({ delayMs: [1, 9] });
    const [a, b] = world.pair('forward');
    world.network.setQuality({ resetChance: 0.02 });
    sendNumbers(a, 2, 'forward', 250);
    world.network.setQuality(null);
    world.run(100);
    expect(a.told.filter((t) => t === 'down 2 forward').length).toBe(1);
    expect(b.told.filter((t) => t === 'down 1 forward').length).toBe(1);
    expect(b.numbers).toEqual(ascending(b.numbers.length));
    expect(b.numbers.length).toBeLessThan(250);
    world.run(5000);
    expect(a.told.at(-1)).toBe('up 2 forward');
    expect(b.told.at(-1)).toBe('up 1 forward');
  });
});

describe('partitions', () => {
  it.each(['both ways', 'one way'])('%s: nothing passes, both sides learn it, and it heals', (kind) => {
    const world = new World();
    const [a, b] = world.pair('raft');
    const heard = b.heard;
    world.run(1000);
    expect(b.heard).toBeGreaterThan(heard + 5);
    if (kind === 'both ways') world.network.cut(1, 2);
    else world.network.cutOneWay(1, 2);
    expect(world.network.partitioned).toBe(true);
    const heardAtCut = b.heard;
    sendNumbers(a, 2, 'raft', 3);
    world.run(8000);
    expect(b.heard).toBe(heardAtCut);
    expect(b.numbers).toEqual([]);
    expect(a.told.at(-1)).toBe('down 2 raft');
    expect(b.told.at(-1)).toBe('down 1 raft');
    world.network.heal();
    world.run(8000);
    expect(a.told.at(-1)).toBe('up 2 raft');
    sendNumbers(a, 2, 'raft', 3);
    world.run(100);
    expect(b.numbers).toEqual([0, 1, 2]);
  });

  it('drop what was under way when they began', () => {
    const world = new World({ delayMs: [50, 60] });
    const [a, b] = world.pair('raft');
    sendNumbers(a, 2, 'raft', 10);
    world.run(10);
    world.network.cut(1, 2);
    world.run(10_000);
    expect(b.numbers).toEqual([]);
  });

  it('isolate a node from all others, and leave these linked', () => {
    const world = new World();
    const [a, b] = world.pair('forward');
    const c = world.life(3);
    a.network.send(3, 'forward', Uint8Array.of(1));
    world.run(100);
    world.network.isolate(2);
    world.run(8000);
    expect(a.network.send(3, 'forward', Uint8Array.of(9))).toBe(true);
    expect(a.network.send(2, 'forward', Uint8Array.of(9))).toBe(false);
    world.run(100);
    expect(c.numbers).toEqual([9]);
    expect(b.numbers).toEqual([]);
  });
});

describe('the death of a node', () => {
  it('breaks its links, frees its address, and its next life is let in', () => {
    const world = new World();
    const [a, b] = world.pair('forward');
    world.loop.kill(b.owner);
    world.network.nodeDown(b.owner);
    sendNumbers(a, 2, 'forward', 5);
    world.run(500);
    expect(a.told.at(-1)).toBe('down 2 forward');
    expect(b.numbers).toEqual([]);
    const next = world.life(2, 2);
    world.run(3000);
    expect(a.told.at(-1)).toBe('up 2 forward');
    sendNumbers(a, 2, 'forward', 5);
    world.run(100);
    expect(next.numbers).toEqual(ascending(5));
  });

  it('E24 raft frames of a life that ended do not reach those who know the next', () => {
    const world = new World({ reorder: 1, reorderMs: 5000 });
    const [a, b] = world.pair('raft');
    sendNumbers(b, 1, 'raft', 100);
    world.run(50);
    world.loop.kill(b.owner);
    world.network.nodeDown(b.owner);
    const next = world.life(2, 2);
    next.network.send(1, 'raft', Uint8Array.of(200));
    world.run(1000);
    const known = a.numbers.length;
    world.run(10_000);
    expect(a.numbers.length).toBe(known);
    expect(world.network.counters.framesStale).toBeGreaterThan(10);
  });

  it('closes its streams and answers no call', () => {
    const world = new World();
    const server = world.loop.owner();
    const client = world.loop.owner();
    let bound = '';
    const silent = { onData: () => undefined, onDrain: () => undefined, onClose: () => undefined };
    world.network.streams(server).listen(
      'n1:0',
      () => silent,
      (_error, address) => (bound = address),
    );
    world.run(10);
    let closes = 0;
    world.network.connectStream(client, bound, { ...silent, onClose: () => closes++ });
    world.run(100);
    expect(closes).toBe(0);
    world.loop.kill(server);
    world.network.nodeDown(server);
    world.run(100);
    expect(closes).toBe(1);
    world.network.connectStream(client, bound, { ...silent, onClose: () => closes++ });
    world.run(100);
    expect(closes).toBe(2);
  });
});

describe('streams and calls', () => {
  it('cut bytes at random places and lose none', () => {
    const world = new World({ piecesMax: 5 });
    const pieces: number[] = [];
    const got: number[] = [];
    let bound = '';
    world.network.streams(world.loop.owner()).listen(
      'n1:0',
      () => ({
        onData: (bytes) => {
          pieces.push(bytes.length);
          got.push(...bytes);
        },
        onDrain: () => undefined,
        onClose: () => undefined,
      }),
      (_error, address) => (bound = address),
    );
    world.run(10);
    const stream = world.network.connectStream(world.loop.owner(), bound, {
      onData: () => undefined,
      onDrain: () => undefined,
      onClose: () => undefined,
    });
    for (let i = 0; i < 50; i++) stream.write(Uint8Array.of(i, i, i, i, i, i, i, i));
    world.run(1000);
    expect(got).toEqual(ascending(50).flatMap((i) => [i, i, i, i, i, i, i, i]));
    expect(pieces.length).toBeGreaterThan(60);
  });

  it('of a client that is cut off wait, in order, the news of an end too, and new ones get no answer', () => {
    const world = new World();
    const client = world.loop.owner();
    const got: number[] = [];
    let serverCloses = 0;
    let bound = '';
    world.network.streams(world.loop.owner()).listen(
      'n1:0',
      () => ({
        onData: (bytes) => got.push(...bytes),
        onDrain: () => undefined,
        onClose: () => serverCloses++,
      }),
      (_error, address) => (bound = address),
    );
    world.run(10);
    let clientCloses = 0;
    const handler = { onData: () => undefined, onDrain: () => undefined, onClose: () => clientCloses++ };
    const stream = world.network.connectStream(client, bound, handler);
    world.run(10);
    world.network.hideClient(client);
    for (let i = 0; i < 20; i++) stream.write(Uint8Array.of(i));
    const opened = world.network.counters.streamsOpened;
    world.network.connectStream(client, bound, handler);
    world.run(5000);
    expect([got.length, clientCloses, serverCloses]).toEqual([0, 0, 0]);
    expect(world.network.counters.streamsOpened).toBe(opened);
    world.network.showClient(client);
    world.run(100);
    expect(got).toEqual(ascending(20));
    world.network.hideClient(client);
    stream.destroy();
    world.run(5000);
    expect([clientCloses, serverCloses]).toEqual([1, 0]);
    world.network.showClient(client);
    world.run(100);
    expect(serverCloses).toBe(1);
  });

  it('of a client that was cut off may be broken for both sides, with all that was on its way', () => {
    const world = new World();
    const client = world.loop.owner();
    const told: string[] = [];
    let bound = '';
    const handler = (name: string) => ({
      onData: () => told.push(`${name} data`),
      onDrain: () => undefined,
      onClose: () => told.push(`${name} close`),
    });
    world.network.streams(world.loop.owner()).listen(
      'n1:0',
      () => handler('server'),
      (_error, address) => (bound = address),
    );
    world.run(10);
    const stream = world.network.connectStream(client, bound, handler('client'));
    world.run(10);
    world.network.hideClient(client);
    stream.write(Uint8Array.of(1));
    world.run(100);
    world.network.showClient(client, 1);
    world.run(100);
    expect(told).toEqual(['client close', 'server close']);
  });

  it('lose control calls as asked: UNAVAILABLE at the deadline, once', () => {
    const world = new World({ controlLossChance: 0.5 });
    let bound = '';
    world.network.control(world.loop.owner()).server.listen(
      'n1:0',
      onlyControl((_method, _request, reply) => reply({ code: 'NOT_INITIALISED', message: '' }, null)),
      (_error, address) => (bound = address),
    );
    world.run(10);
    const outcomes: string[] = [];
    const { client } = world.network.control(world.loop.owner());
    for (let i = 0; i < 100; i++)
      client.call(bound, 'status', {}, 500, (f) => outcomes.push(f?.code ?? 'ok'));
    world.run(400);
    const early = outcomes.length;
    expect(outcomes.every((code) => code === 'NOT_INITIALISED')).toBe(true);
    world.run(1000);
    expect(outcomes.length).toBe(100);
    expect(outcomes.slice(early).every((code) => code === 'UNAVAILABLE')).toBe(true);
    expect(early).toBeGreaterThan(5);
    expect(early).toBeLessThan(60);
  });
});

describe('a seed', () => {
  function trace(seed: number): string {
    const world = new World({ loss: 0.1, duplicate: 0.1, reorder: 0.3, resetChance: 0.01 }, seed);
    const lives = [world.life(1), world.life(2), world.life(3)];
    for (let round = 0; round < 50; round++) {
      for (const channel of ['raft', 'forward'] as const) {
        for (const life of lives)
          for (const to of [1, 2, 3]) {
            if (lives[to - 1] !== life) life.network.send(to, channel, Uint8Array.of(round));
          }
      }
      if (round === 20) world.network.cut(1, 2);
      if (round === 30) world.network.heal();
      world.run(20);
    }
    return `${world.loop.traceHash()} ${JSON.stringify(world.network.counters)}`;
  }

  it('gives the same run twice, and another seed another run', () => {
    expect(trace(7)).toBe(trace(7));
    expect(trace(7)).not.toBe(trace(8));
  });
});
