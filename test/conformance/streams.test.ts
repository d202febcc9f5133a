/** Both kinds of client streams do what the suite says. */
import { connectTcpStream, tcpStreams } from '../../src/adapters/tcp-streams.js';
import { Prng } from '../../src/base/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { SimNetwork } from '../sim/world/network.js';
import { simWorld } from './sim-world.js';
import { streamSuite } from './streams.js';
import { realWorld } from './world.js';

streamSuite('the simulated network', () => {
  const loop = new SimLoop();
  const network = new SimNetwork(loop, new Prng(2));
  return {
    ...simWorld(loop),
    create: () => network.streams(loop.owner()),
    connect: (address, handler) => network.connectStream(loop.owner(), address, handler),
    listen: '10.0.0.1:0',
  };
});

streamSuite('TCP', () => ({
  ...realWorld,
  create: () => tcpStreams,
  connect: connectTcpStream,
  listen: '127.0.0.1:0',
}));
