/** Self time from a CPU profile: by function, by module, within a window, with idle time apart. */
import { describe, expect, it } from 'vitest';

import { describeProfile, moduleOf, summariseProfiles } from '../../../scripts/bench/cpu-profile.js';
import type { CpuProfile } from '../../../scripts/bench/cpu-profile.js';

const frame = (id: number, functionName: string, url: string): CpuProfile['nodes'][number] => ({
  id,
  callFrame: { functionName, url, lineNumber: 0 },
});

const PROFILE: CpuProfile = {
  nodes: [
    frame(1, '(idle)', ''),
    frame(2, 'apply', 'file:///x/dist/src/kv/kv.js'),
    frame(3, 'apply', 'file:///x/dist/src/kv/kv.js'), // the same function, called from elsewhere
    frame(4, 'writev', ''),
    frame(5, '', 'file:///x/node_modules/@grpc/grpc-js/build/src/call.js'),
  ],
  startTime: 1000,
  // Samples at 1000, 1100, 1300, 1600, 2000; the last one has no end.
  samples: [1, 2, 3, 4, 5],
  timeDeltas: [0, 100, 200, 300, 400],
};

describe('a profile', () => {
  it('gives each function the time until the next sample, and keeps idle time apart', () => {
    const summary = summariseProfiles([PROFILE]);
    expect(summary.idleMs).toBeCloseTo(0.1);
    expect(summary.busyMs).toBeCloseTo(0.9);
    expect(
      summary.functions.map(({ name, module, selfMs }) => [name, module, Math.round(selfMs * 1000)]),
    ).toEqual([
      ['apply', 'src/kv', 500],
      ['writev', 'native', 400],
    ]);
    expect(summary.functions[0]?.share).toBeCloseTo(5 / 9);
  });

  it('is summed over nodes', () => {
    const summary = summariseProfiles([PROFILE, PROFILE]);
    expect(summary.modules.map(({ module, selfMs }) => [module, Math.round(selfMs * 1000)])).toEqual([
      ['src/kv', 1000],
      ['native', 800],
    ]);
  });

  it('counts only what lies in the window', () => {
    const summary = summariseProfiles([PROFILE], 1200, 1500);
    expect(summary.functions.map(({ name, selfMs }) => [name, Math.round(selfMs * 1000)])).toEqual([
      ['apply', 300],
    ]);
    expect(summary.idleMs).toBe(0);
  });

  it('is told with shares and without failing on nothing', () => {
    expect(describeProfile(summariseProfiles([PROFILE]), 5)).toMatch(/55\.6 % {2}apply {2}src\/kv/);
    expect(describeProfile(summariseProfiles([]), 5)).toContain('0.0 % busy');
  });
});

describe('the module of a function', () => {
  it.each([
    ['apply', 'file:///x/dist/src/api/resp/parser.js', 'src/api/resp'],
    ['main', 'file:///x/dist/src/server.js', 'src/server'],
    ['f', 'file:///x/node_modules/classic-level/index.js', 'classic-level'],
    ['f', 'file:///x/node_modules/@grpc/grpc-js/build/src/call.js', '@grpc/grpc-js'],
    ['emit', 'node:events', 'node:events'],
    ['run', 'node:internal/process/task_queues', 'node:internal'],
    ['(garbage collector)', '', 'v8'],
    ['writev', '', 'native'],
  ])('%s in "%s" is %s', (name, url, module) => {
    expect(moduleOf(name, url)).toBe(module);
  });
});
