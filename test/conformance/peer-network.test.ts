/** Both peer networks do what the suite says: the simulated one as it is, and with a network that misbehaves mildly. */
import { crc32 } from '../../src/adapters/crc32.js';
import { Prng } from '../../src/base/index.js';
import { createSystemEntropy } from '../../src/adapters/entropy.js';
import { systemClock } from '../../src/adapters/clock.js';
import { systemTimers } from '../../src/adapters/timers.js';
import { createTcpPeers } from '../../src/adapters/tcp-peers.js';
import type { Logger } from '../../src/ports/index.js';
import { SimLoop } from '../sim/world/loop.js';
import { SimNetwork } from '../sim/world/network.js';
import { peerNetworkSuite } from './peer-network.js';
import { simWorld } from './sim-world.js';
import { realWorld } from './world.js';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

peerNetworkSuite('the simulated network', () => {
  const loop = new SimLoop();
  const network = new SimNetwork(loop, new Prng(1), { delayMs: [0.1, 15] });
  return { ...simWorld(loop), create: () => network.peers(loop.owner()), listen: '10.0.0.1:0' };
});

peerNetworkSuite('TCP', () => ({
  ...realWorld,
  create: () =>
    createTcpPeers({
      crc32,
      logger: silent,
      timers: systemTimers,
      clock: systemClock,
      entropy: createSystemEntropy(),
    }),
  listen: '127.0.0.1:0',
}));
