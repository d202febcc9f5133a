/** Both kinds of the cache's streams do what the suite says. */
import { afterEach } from 'vitest';
import { createGrpcClientTransport } from '../../src/adapters/grpc-client-transport.js';
import { Prng } from '../../src/base/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { SimNetwork } from '../sim/world/network.js';
import { BreakableProxy } from '../support/breakable-proxy.js';
import { grpcServer } from '../support/rpc-handlers.js';
import { cacheStreamSuite } from './cache-streams.js';
import { simWorld } from './sim-world.js';
import { realWorld } from './world.js';

cacheStreamSuite('the simulated network', () => {
  const loop = new SimLoop();
  const network = new SimNetwork(loop, new Prng(5));
  const node = loop.owner();
  const { server } = network.control(node);
  const transport = network.cacheTransport(loop.owner());
  let address = '';
  return {
    ...simWorld(loop),
    server,
    transport,
    listen: '10.0.0.1:0',
    reach: (bound) => Promise.resolve((address = bound || address)),
    killServer: () => {
      loop.kill(node);
      network.nodeDown(node);
      return true;
    },
  };
});

const proxies: BreakableProxy[] = [];
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close();
});

cacheStreamSuite('gRPC', () => {
  const proxy = new BreakableProxy();
  proxies.push(proxy);
  return {
    ...realWorld,
    server: grpcServer(),
    transport: createGrpcClientTransport(),
    listen: '127.0.0.1:0',
    reach: (bound) => proxy.reach(bound),
    killServer: () => {
      proxy.close();
      return false;
    },
  };
});
