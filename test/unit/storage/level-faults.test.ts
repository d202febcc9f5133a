/** The log over the real LevelDB, damaged the way EDGE-CASES measured it: what the simulated disk is modelled on. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MetricsRegistry } from '../../../src/base/index.js';
import { crc32 } from '../../../src/adapters/crc32.js';
import { openLevelStore } from '../../../src/adapters/level-store.js';
import { nodeFiles } from '../../../src/adapters/node-files.js';
import { systemTimers } from '../../../src/adapters/timers.js';
import type { Logger } from '../../../src/ports/index.js';
import { openLogStore, type LogStore } from '../../../src/storage/index.js';
import { CONFIGURATION, groupOf, makeEntry } from './harness.js';

const root = mkdtempSync(join(tmpdir(), 'quorate-log-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

function open(folder: string): Promise<LogStore> {
  return new Promise((resolve, reject) =>
    openLogStore(
      {
        folder,
        storePath: `${folder}/log`,
        openStore: openLevelStore,
        files: nodeFiles,
        crc32,
        clock: { wallMs: () => Date.now(), monoMs: () => performance.now() },
        timers: systemTimers,
        logger: silent,
        metrics: new MetricsRegistry(),
        sync: true,
      },
      (error, log) => (log ? resolve(log) : reject(error ?? new Error('nothing opened'))),
    ),
  );
}

const flush = (log: LogStore): Promise<void> =>
  new Promise((resolve, reject) => log.flush((error) => (error ? reject(error) : resolve())));
const close = (log: LogStore): Promise<void> =>
  new Promise((resolve, reject) => log.close((error) => (error ? reject(error) : resolve())));

/** 300 batches of one entry, as in the measurement; closed. */
async function makeLog(): Promise<{ folder: string; logFile: string }> {
  const folder = join(root, String(++folders));
  const log = await open(folder);
  log.createGroup(1, 11, CONFIGURATION);
  log.saveHardState(1, { term: 1, vote: 2, commit: 0 });
  for (let index = 1; index <= 300; index++) {
    log.append(1, [makeEntry(index, 1, 'x'.repeat(300))]);
    await flush(log);
  }
  await close(log);
  const name = readdirSync(`${folder}/log`).find((file) => file.endsWith('.log'));
  return { folder, logFile: `${folder}/log/${name}` };
}

describe('the log over LevelDB', () => {
  it('comes back whole after a clean end', async () => {
    const { folder } = await makeLog();
    const log = await open(folder);
    expect(groupOf(log, 1)).toMatchObject({ suspect: null, lastIndex: 300 });
    const entries = await new Promise((resolve) => log.fetch(1, 100, 103, 1e6, (_, found) => resolve(found)));
    expect(entries).toMatchObject([{ index: 100 }, { index: 101 }, { index: 102 }]);
    await close(log);
  });

  it('E62 one bit flipped in the middle of its log file: suspect, also after one more restart', async () => {
    const { folder, logFile } = await makeLog();
    const bytes = readFileSync(logFile);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 4;
    writeFileSync(logFile, bytes);
    for (let i = 0; i < 2; i++) {
      const log = await open(folder);
      expect(groupOf(log, 1).suspect).toMatch(/^log batches \d+ to \d+ are missing/);
      expect(groupOf(log, 1).lastIndex).toBeLessThan(300);
      await close(log);
    }
  });

  it('E61 the last record torn although it was acknowledged: suspect', async () => {
    const { folder, logFile } = await makeLog();
    truncateSync(logFile, statSync(logFile).size - 10);
    const log = await open(folder);
    expect(groupOf(log, 1).suspect).toMatch(/^the log ends at batch 300, but batch 301 was durable/);
    await close(log);
  });

  it('E67 a second opening of the directory is refused by code', async () => {
    const folder = join(root, String(++folders));
    const log = await open(folder);
    await expect(open(folder)).rejects.toMatchObject({ code: 'LOCKED' });
    await close(log);
  });
});
