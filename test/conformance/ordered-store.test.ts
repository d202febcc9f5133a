import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { openLevelStore } from '../../src/adapters/level-store.js';
import { simDiskHost } from './disk-hosts.js';
import { orderedStoreSuite } from './ordered-store.js';

describe('ordered store, simulated', () => {
  orderedStoreSuite(simDiskHost);
});

describe('ordered store, LevelDB', () => {
  const root = mkdtempSync(join(tmpdir(), 'quorate-store-'));
  let paths = 0;
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  orderedStoreSuite(() => ({
    open: openLevelStore,
    freshPath: () => join(root, String(++paths)),
    wait: (outcome) => outcome,
  }));
});
