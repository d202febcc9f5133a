import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { nodeFiles } from '../../src/adapters/node-files.js';
import { simDiskHost } from './disk-hosts.js';
import { filesSuite } from './files.js';

describe('files, simulated', () => {
  filesSuite(async () => {
    const host = simDiskHost();
    const made = new Promise<void>((resolve) => host.files.makeFolder('/data', () => resolve()));
    await host.wait(made);
    return { files: host.files, folder: '/data', wait: host.wait };
  });
});

describe('files, real', () => {
  const root = mkdtempSync(join(tmpdir(), 'quorate-files-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  filesSuite(() =>
    Promise.resolve({
      files: nodeFiles,
      folder: mkdtempSync(join(root, 'x-')),
      wait: (outcome) => outcome,
    }),
  );
});
