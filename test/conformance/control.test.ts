/** Both kinds of control calls do what the suite says. */
import { createGrpcControlClient } from '../../src/adapters/grpc-control.js';
import { grpcServer } from '../support/rpc-handlers.js';
import { Prng } from '../../src/base/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { SimNetwork } from '../sim/world/network.js';
import { controlSuite } from './control.js';
import { simWorld } from './sim-world.js';
import { realWorld } from './world.js';

controlSuite('the simulated network', () => {
  const loop = new SimLoop();
  const network = new SimNetwork(loop, new Prng(3));
  const { server } = network.control(loop.owner());
  const { client } = network.control(loop.owner());
  return { ...simWorld(loop), server, client, listen: '10.0.0.1:0', close: () => undefined };
});

controlSuite('gRPC', () => {
  const client = createGrpcControlClient();
  return {
    ...realWorld,
    server: grpcServer(),
    client,
    listen: '127.0.0.1:0',
    close: () => client.close(),
  };
});
