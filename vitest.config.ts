/**
 * Three groups, one after the other, since they want the machine in different ways: quick tests on both cores, the
 * simulator on both, real processes alone. A path on the command line picks files from all three.
 */
import { defineConfig } from 'vitest/config';

import { SummaryReporter } from './test/support/reporter.js';

export default defineConfig({
  test: {
    reporters: [new SummaryReporter()],
    projects: [
      {
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: ['test/sim/**', 'test/integration/**', 'test/structure/breaking/**'],
          pool: 'threads',
          // Files share a worker's modules: loading them anew for each file costs more than the tests. No test may
          // leave something behind in a module.
          isolate: false,
          maxWorkers: 2,
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 90_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/build-first.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
