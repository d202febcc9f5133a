/** The local cluster's plan and folder: which shape runs, which ports, which folders are touched. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { restartLine } from '../../../src/cli/dev/children.js';
import {
  findRunning,
  forgetRunning,
  inspectFolder,
  prepareFolder,
  wipeFolder,
  writeRunning,
} from '../../../src/cli/dev/data-folder.js';
import { checkPorts, decideShape, planNodes } from '../../../src/cli/dev/plan.js';
import type { DevOptions } from '../../../src/cli/dev/plan.js';

const SHAPE = { nodes: 3, shards: 16, replicas: 3 };
const OPTIONS: DevOptions = {
  asked: {},
  basePorts: { grpc: 7600, peer: 7650, resp: 7379, moved: 7479, http: 7700 },
  data: './data/dev',
  fresh: false,
};

describe('the shape', () => {
  it('is three nodes, 16 shards and three replicas unless asked for', () => {
    expect(decideShape({}, null, 'd')).toEqual({ ok: true, shape: SHAPE });
    expect(decideShape({ nodes: 1 }, null, 'd')).toEqual({
      ok: true,
      shape: { nodes: 1, shards: 16, replicas: 1 },
    });
  });

  it('is the stored one when nothing else was asked for', () => {
    expect(decideShape({ shards: 16 }, SHAPE, 'd')).toEqual({ ok: true, shape: SHAPE });
  });

  it('refuses other counts than the stored ones', () => {
    expect(decideShape({ nodes: 5 }, SHAPE, 'd')).toMatchObject({
      ok: false,
      kind: 'refused',
      problem: expect.stringContaining('--nodes 5'),
    });
  });

  it('refuses more replicas than nodes', () => {
    expect(decideShape({ nodes: 2, replicas: 3 }, null, 'd')).toMatchObject({ ok: false, kind: 'usage' });
  });
});

describe('the ports', () => {
  it('count up from the bases', () => {
    expect(planNodes(OPTIONS, 3)[2]).toMatchObject({
      addresses: {
        grpc: '127.0.0.1:7602',
        peer: '127.0.0.1:7652',
        resp: '127.0.0.1:7381',
        moved: '127.0.0.1:7481',
        http: '127.0.0.1:7702',
      },
      folder: path.join('data', 'dev', 'n3'),
    });
    expect(checkPorts(planNodes(OPTIONS, 3))).toBeNull();
  });

  it('must not meet, and must exist', () => {
    const meeting = { ...OPTIONS, basePorts: { ...OPTIONS.basePorts, http: 7601 } };
    expect(checkPorts(planNodes(meeting, 3))).toMatch(
      /port 7601 .*http of node 1.*|port 7601 .*grpc of node 2/,
    );
    const high = { ...OPTIONS, basePorts: { ...OPTIONS.basePorts, resp: 65535 } };
    expect(checkPorts(planNodes(high, 3))).toMatch(/65536 .*--base-resp/);
  });
});

describe('the restart line', () => {
  it('needs nothing but the data directory', () => {
    const node = planNodes({ ...OPTIONS, data: 'my data' }, 1)[0];
    if (!node) throw new Error('no node');
    const line = restartLine([process.execPath, path.resolve('dist/src/quorate.js')], node);
    expect(line).toBe(`node ${path.join('dist', 'src', 'quorate.js')} server --data 'my data/n1'`);
  });
});

describe('the folder', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-dev-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is empty, then ours with its shape', () => {
    expect(inspectFolder(path.join(folder, 'none'))).toEqual({ kind: 'empty' });
    expect(inspectFolder(folder)).toEqual({ kind: 'empty' });
    prepareFolder(folder, SHAPE, []);
    expect(inspectFolder(folder)).toEqual({ kind: 'ours', shape: SHAPE });
  });

  it('is not ours when it holds anything else, marker or not', () => {
    writeFileSync(path.join(folder, 'thesis.txt'), '');
    expect(inspectFolder(folder)).toMatchObject({
      kind: 'foreign',
      problem: expect.stringContaining('thesis.txt'),
    });
    prepareFolder(folder, SHAPE, []);
    expect(inspectFolder(folder)).toMatchObject({ kind: 'foreign' });
  });

  it('is refused when its shape is damaged or newer', () => {
    const file = path.join(folder, 'dev-settings.json');
    writeFileSync(file, '{');
    expect(inspectFolder(folder)).toMatchObject({
      kind: 'foreign',
      problem: expect.stringContaining('damaged'),
    });
    writeFileSync(file, '{"format":2}');
    expect(inspectFolder(folder)).toMatchObject({
      kind: 'foreign',
      problem: expect.stringContaining('newer'),
    });
  });

  it('is wiped of what is ours', () => {
    prepareFolder(folder, SHAPE, []);
    mkdirSync(path.join(folder, 'n1'));
    writeFileSync(path.join(folder, 'n1', 'x'), '');
    writeFileSync(path.join(folder, 'keep'), '');
    wipeFolder(folder);
    expect(readdirSync(folder)).toEqual(['keep']);
  });

  it('lists the running nodes whole, and forgets them', () => {
    prepareFolder(folder, SHAPE, []);
    const addresses = { grpc: 'g', resp: 'r', moved: 'm', http: 'h' };
    const node = { id: 1, pid: process.pid, ...addresses, data: path.join(folder, 'n1') };
    writeRunning(folder, [node]);
    expect(JSON.parse(readFileSync(path.join(folder, 'dev.json'), 'utf8'))).toEqual({ nodes: [node] });
    expect(findRunning(folder)).toBe(0); // that pid is alive, but no server on that folder
    forgetRunning(folder);
    expect(existsSync(path.join(folder, 'dev.json'))).toBe(false);
  });
});
