/** Birth of a cluster (decision 0002), with servers that speak over calls that take time and get lost. */
import { expect, test } from 'vitest';
import type { VersionRange } from '../../../src/base/index.js';
import { ControlNet, TestServer } from '../../support/loop-control.js';
import { makeInstance } from '../../support/loop-meta.js';
import { LoopWorld } from '../../support/loop-world.js';

/** Servers 1 to `count`, each with all others in its `--join`. */
function servers(count: number, seed = 1): { net: ControlNet; all: TestServer[]; world: LoopWorld } {
  const world = new LoopWorld(seed);
  const net = new ControlNet(world);
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const all = numbers.map((i) => new TestServer(net, i, numbers));
  return { net, all, world };
}

function at(all: readonly TestServer[], i: number): TestServer {
  const server = all[i - 1];
  if (server === undefined) throw new Error(`no server ${i}`);
  return server;
}

function clusters(all: readonly TestServer[]): string[] {
  return [...new Set(all.map((server) => server.member?.clusterId ?? 'none'))];
}

test('init at one server makes one cluster of all that wait', () => {
  const { all, world } = servers(3);
  const outcome = at(all, 2).init();
  world.until(() => outcome.length > 0, 'init is answered');
  const clusterId = at(all, 2).member?.clusterId;
  expect(outcome).toEqual([
    {
      clusterId,
      nodes: [1, 2, 3].map((i) => ({ id: i, addresses: makeInstance(i).addresses })),
      shards: 4,
      replicas: 3,
    },
  ]);
  expect(clusters(all)).toEqual([clusterId]);
  expect(all.map((server) => server.member?.nodeId)).toEqual([1, 2, 3]);
  expect(at(all, 1).member?.state).toEqual(at(all, 3).member?.state);
});

test('nothing happens without an init', () => {
  const { all, world } = servers(3);
  world.run(30_000);
  expect(clusters(all)).toEqual(['none']);
});

test('servers that know only one address find each other through it', () => {
  const world = new LoopWorld();
  const net = new ControlNet(world);
  const all = [new TestServer(net, 1, []), new TestServer(net, 2, [1]), new TestServer(net, 3, [1])];
  const outcome = at(all, 3).init();
  world.until(() => outcome.length > 0, 'init is answered');
  expect(clusters(all)).toHaveLength(1);
  expect(at(all, 3).member?.state.nodes).toHaveLength(3);
});

test('a server that is started during the wait is included', () => {
  const { net, all, world } = servers(2);
  const outcome = at(all, 1).init({ waitMs: 5000 });
  world.run(2000);
  expect(outcome).toEqual([]);
  all.push(new TestServer(net, 3, [1, 2]));
  world.until(() => outcome.length > 0, 'init is answered');
  expect(outcome[0]).toMatchObject({ replicas: 3 });
});

test('too few servers: init says how many are here, who does not answer, and what to do', () => {
  const world = new LoopWorld();
  const net = new ControlNet(world);
  const server = new TestServer(net, 1, [1, 2, 3]);
  const outcome = server.init({ waitMs: 1000 });
  world.run(900);
  expect(outcome).toEqual([]);
  world.until(() => outcome.length > 0, 'init is answered', 2000);
  expect(outcome[0]).toMatch(/^UNAVAILABLE: 3 replicas need 3 nodes, 1 are here/);
  expect(outcome[0]).toContain('127.0.0.1:7602, 127.0.0.1:7603');
  expect(outcome[0]).toContain('--allow-fewer');
  const again = server.init({ waitMs: 500 });
  world.run(1000);
  expect(again).toHaveLength(1);
  expect(server.becoming).toBeNull();
});

test('--allow-fewer begins with the servers that are here once the wait is over', () => {
  const world = new LoopWorld();
  const net = new ControlNet(world);
  const server = new TestServer(net, 1, [2, 3]);
  const other = new TestServer(net, 2, [1]);
  const outcome = server.init({ allowFewer: true, waitMs: 1000 });
  world.run(900);
  expect(outcome).toEqual([]);
  world.until(() => outcome.length > 0, 'init is answered');
  expect(outcome[0]).toMatchObject({ replicas: 2, shards: 4 });
  expect(server.member?.state.replicas).toBe(3);
  expect(other.member?.clusterId).toBe(server.member?.clusterId);
});

test('E118 a repeated init at the same server is refused while the first is under way', () => {
  const { all, world } = servers(3);
  const first = at(all, 1).init();
  const second = at(all, 1).init();
  expect(second).toEqual([expect.stringMatching(/^ALREADY_INITIALISED/)]);
  world.until(() => first.length > 0, 'the first is answered');
  expect(clusters(all)).toHaveLength(1);
});

test('E118 two inits at once make one cluster: the lower instance id wins', () => {
  const { all, world } = servers(2);
  const lower = at(all, 1).init({ replicas: 2 });
  const higher = at(all, 2).init({ replicas: 2 });
  world.until(() => lower.length > 0 && higher.length > 0, 'both are answered');
  expect(clusters(all)).toHaveLength(1);
  expect(lower[0]).toMatchObject({ replicas: 2 });
  expect(higher[0]).toMatch(/^ALREADY_INITIALISED/);
});

test('E118 an init that arrives while the node is being made a member is refused, not left without an answer', () => {
  const { all, world } = servers(3);
  for (const server of all) server.becomeMs = 500;
  const first = at(all, 1).init();
  world.until(() => at(all, 2).becoming !== null, 'server 2 is told of its cluster');
  expect(at(all, 2).member).toBeNull();
  expect(at(all, 2).init()).toEqual([expect.stringMatching(/^ALREADY_INITIALISED/)]);
  world.until(() => first.length > 0, 'the first is answered');
});

test('a node that joined by itself while its founder tells it of the cluster answers the founder once it is a member', () => {
  const { net, all, world } = servers(3);
  at(all, 2).becomeMs = 3000; // longer than a call takes
  net.lose = (_, to, method) => (method === 'found' && to === at(all, 2).address ? lost() : null);
  let genesisCalls = 0;
  // The first telling is lost on its way back: the second finds the node at work on it.
  const lost = (): 'reply' | null => (at(all, 1).becoming !== null && genesisCalls++ === 0 ? 'reply' : null);
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered', 10_000);
  expect(clusters(all)).toHaveLength(1);
  expect(genesisCalls).toBe(2);
});

test('E118 two inits among four servers make at most one cluster, whatever is lost and late', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { net, all, world } = servers(4, seed);
    const { prng } = world;
    net.latencyMs = () => prng.below(300);
    net.lose = () => (prng.chance(0.15) ? (prng.chance(0.5) ? 'request' : 'reply') : null);
    const request = { waitMs: 20_000, replicas: prng.pick([2, 4]) };
    world.run(prng.below(1000));
    const [a, b] = prng.shuffle([1, 2, 3, 4]) as [number, number];
    const outcomes = [at(all, a).init(request)];
    world.run(prng.below(400));
    outcomes.push(at(all, b).init(request));
    world.run(60_000);
    for (const outcome of outcomes) expect(outcome, `seed ${seed}`).toHaveLength(1);
    net.lose = () => null;
    world.run(60_000);
    // With calls lost the wait may have run out: then nobody was founded, and asking again is enough.
    if (at(all, a).becoming === null) at(all, a).init(request);
    world.run(60_000);
    const founded = new Set(all.map((server) => server.becoming?.clusterId ?? 'none'));
    expect(founded.size, `seed ${seed}: ${[...founded].join(' ')}`).toBe(1);
    expect(founded.has('none'), `seed ${seed}`).toBe(false);
    expect(new Set(all.map((server) => server.becoming?.nodeId)).size).toBe(4);
  }
});

test('a claim by another founder is refused while one holds, and given free by its release', () => {
  const { all } = servers(1);
  const { waiting } = at(all, 1);
  const answers: string[] = [];
  const found = (step: 'claim' | 'release', founder: number): void => {
    const request = { step, founder: makeInstance(founder), nodeId: 0, state: new Uint8Array(0) };
    waiting.onFound(request, (_, response) => answers.push(response?.accepted === true ? 'yes' : 'no'));
  };
  found('claim', 5);
  found('claim', 6);
  found('claim', 5);
  found('release', 6);
  found('claim', 6);
  found('release', 5);
  found('claim', 6);
  expect(answers).toEqual(['yes', 'no', 'yes', 'yes', 'no', 'yes', 'yes']);
});

test('a claim whose founder died is forgotten after 15 s', () => {
  const { all, world } = servers(1);
  const { waiting } = at(all, 1);
  const answers: boolean[] = [];
  const claim = (founder: number): void =>
    waiting.onFound(
      { step: 'claim', founder: makeInstance(founder), nodeId: 0, state: new Uint8Array(0) },
      (_, response) => answers.push(response?.accepted === true),
    );
  claim(5);
  world.run(14_000);
  claim(6);
  world.run(2000);
  claim(6);
  expect(answers).toEqual([true, false, true]);
});

test('E118 a founder that has decided, and is about to be a member, accepts no other founder’s claim', () => {
  const { all, world } = servers(1);
  const server = at(all, 1);
  server.becomeMs = 500; // a slow disk
  server.init({ replicas: 1, waitMs: 0, allowFewer: true });
  world.until(() => server.becoming !== null, 'it decided');
  expect(server.member).toBeNull();
  const answers: boolean[] = [];
  server.waiting.onFound(
    { step: 'claim', founder: makeInstance(0, 'a-lower-instance'), nodeId: 0, state: new Uint8Array(0) },
    (_, response) => answers.push(response?.accepted === true),
  );
  expect(answers).toEqual([false]);
});

test('a founding server that is told of another founding gives way before it has decided', () => {
  const { all } = servers(1);
  const server = at(all, 1);
  const outcome = server.init({ replicas: 3, waitMs: 5000 });
  const answers: boolean[] = [];
  const claim = (founder: ReturnType<typeof makeInstance>): void =>
    server.waiting.onFound({ step: 'claim', founder, nodeId: 0, state: new Uint8Array(0) }, (_, response) =>
      answers.push(response?.accepted === true),
    );
  claim(makeInstance(9, 'z-higher'));
  expect(outcome).toEqual([]);
  claim(makeInstance(9, 'a-lower'));
  expect(answers).toEqual([false, true]);
  expect(outcome).toEqual([expect.stringContaining('127.0.0.1:7609')]);
});

test('--single: a cluster of one, at once', () => {
  const { all, world } = servers(1);
  const server = at(all, 1);
  server.waiting.foundAlone(8);
  world.run(50);
  expect(server.member).toMatchObject({ nodeId: 1 });
  expect(server.member?.state.shards).toHaveLength(8);
  expect(server.member?.state.nodes).toHaveLength(1);
});

test('a new server joins a cluster that it finds, under the next id', () => {
  const { net, all, world } = servers(3);
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered');
  const joiner = new TestServer(net, 4, [1]);
  world.until(() => joiner.member !== null, 'it joined');
  expect(joiner.member).toMatchObject({ nodeId: 4, clusterId: at(all, 1).member?.clusterId });
});

test('E118 join reply lost, then repeated: the server gets the id that was meant for it', () => {
  const { net, all, world } = servers(3);
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered');
  let joins = 0;
  net.lose = (_from, _to, method) => (method === 'join' && ++joins <= 3 ? 'reply' : null);
  const joiner = new TestServer(net, 4, [1]);
  world.until(() => joiner.member !== null, 'it joined', 60_000);
  expect(joins).toBeGreaterThan(3);
  expect(joiner.member?.nodeId).toBe(4);
  expect(at(all, 1).member?.state.nodes).toHaveLength(4);
});

test('a server that missed the genesis joins by hello under the id it was given', () => {
  const { net, all, world } = servers(3);
  world.run(1000);
  const third = at(all, 3).address;
  net.lose = (_from, to, method) =>
    method === 'found' && to === third && at(all, 1).becoming !== null ? 'request' : null;
  at(all, 1).init();
  world.until(() => at(all, 3).member !== null, 'the third became a member', 60_000);
  expect(at(all, 3).member?.nodeId).toBe(3);
  expect(clusters(all)).toHaveLength(1);
});

test('hello tells who waits; who was not heard of for 5 s is not waiting any more', () => {
  const { all, world } = servers(1);
  const { waiting } = at(all, 1);
  waiting.onHello(makeInstance(7));
  expect(waiting.onHello(makeInstance(8)).waiting.map((i) => i.instanceId)).toEqual([
    'instance-1',
    'instance-7',
    'instance-8',
  ]);
  world.run(4000);
  waiting.onHello(makeInstance(8));
  world.run(1500);
  expect(waiting.onHello(makeInstance(8)).waiting.map((i) => i.instanceId)).toEqual([
    'instance-1',
    'instance-8',
  ]);
});

test('after its end it says nothing more', () => {
  const { net, all, world } = servers(2);
  world.run(1000);
  at(all, 1).waiting.end();
  world.run(500);
  const before = net.calls.filter((call) => call.from === at(all, 1).address).length;
  world.run(5000);
  expect(net.calls.filter((call) => call.from === at(all, 1).address)).toHaveLength(before);
});

/** Servers of builds that know these cluster versions. */
function builds(...known: VersionRange[]): { net: ControlNet; all: TestServer[]; world: LoopWorld } {
  const world = new LoopWorld(7);
  const net = new ControlNet(world);
  const numbers = known.map((_, i) => i + 1);
  return {
    net,
    world,
    all: known.map((versions, i) => new TestServer(net, i + 1, numbers, undefined, versions)),
  };
}

test('E125 a cluster of several builds is founded at the newest version that all of them know', () => {
  const { all, world } = builds({ min: 1, max: 3 }, { min: 1, max: 2 }, { min: 2, max: 9 });
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered');
  const { state } = at(all, 3).member ?? {};
  expect(state?.clusterVersion).toBe(2);
  expect(state?.shards.map(({ born }) => born)).toEqual([2, 2, 2, 2]);
  expect(state?.nodes.map(({ versions }) => versions.max)).toEqual([3, 2, 9]);
});

test('E125 builds that know no version in common found no cluster: init says what each knows', () => {
  const { all, world } = builds({ min: 1, max: 1 }, { min: 2, max: 3 }, { min: 1, max: 2 });
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered');
  expect(outcome[0]).toMatch(
    /^UNSUPPORTED_VERSION: .*no cluster version in common: .*:7601 knows 1, .*:7602 knows 2 to 3.*Start them with one build/,
  );
  expect(clusters(all)).toEqual(['none']);
});

test('E125 a server of an older build that finds a cluster is refused by name, and ends', () => {
  const { net, all, world } = builds({ min: 1, max: 2 }, { min: 1, max: 2 }, { min: 1, max: 2 });
  const outcome = at(all, 1).init();
  world.until(() => outcome.length > 0, 'init is answered');
  const late = new TestServer(net, 4, [2], undefined, { min: 1, max: 1 });
  world.until(() => late.refusals.length > 0, 'it is refused');
  expect(late.refusals[0]).toMatch(
    /the cluster is at version 2, and the new node at .*:7604 knows 1: start it with a build/,
  );
  expect([late.member, at(all, 2).member?.state.nodes.length]).toEqual([null, 3]);
});
