/** Both kinds of the cache's streams do what the suite says. */
import { createGrpcClientTransport } from '../../src/adapters/grpc-client-transport.js';
import { Prng } from '../../src/base/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { SimNetwork } from '../sim/world/network.js';
import { grpcServer } from '../support/rpc-handlers.js';
import { cacheStreamSuite } from './cache-streams.js';
import { simWorld } from './sim-world.js';
import { realWorld } from './world.js';

cacheStreamSuite('the simulated network', () => {
  const loop = new SimLoop();
  const network = new SimNetwork(loop, new Prng(5));
  const { server } = network.control(loop.owner());
  const transport = network.cacheTransport(loop.owner());
  return { ...simWorld(loop), server, transport, listen: '10.0.0.1:0' };
});

cacheStreamSuite('gRPC', () => ({
  ...realWorld,
  server: grpcServer(),
  transport: createGrpcClientTransport(),
  listen: '127.0.0.1:0',
}));
