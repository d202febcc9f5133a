/** The simulated disk as a host of the suites: the loop runs until the outcome is settled. */
import { Prng } from '../../src/base/index.js';
import { SimDisk } from '../sim/world/disk.js';
import { SimLoop } from '../sim/world/loop.js';

export function simDiskHost() {
  const loop = new SimLoop();
  const disk = new SimDisk(loop, new Prng(5));
  const owner = loop.owner();
  let paths = 0;
  const wait = async <T>(outcome: Promise<T>): Promise<T> => {
    let settled = false;
    const mark = (): void => void (settled = true);
    outcome.then(mark, mark);
    await Promise.resolve();
    while (!settled) {
      if (!loop.step()) throw new Error('nothing left to happen');
      for (let i = 0; i < 4; i++) await Promise.resolve(); // lets the promise notice
    }
    return outcome;
  };
  return {
    files: disk.files(owner),
    open: disk.openStore(owner),
    freshPath: () => `/store${++paths}`,
    wait,
  };
}
