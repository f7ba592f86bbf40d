import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

// Every test file and every service that one starts compiles the same modules: once will do.
process.env['NODE_COMPILE_CACHE'] ??= path.join(import.meta.dirname, 'node_modules', '.cache', 'compiled');

// Node itself runs the TypeScript: Vite would give tests another copy of graphql than Node gives the libraries.
const native = { experimental: { viteModuleRunner: false } } as const;

/** Where a report for programs goes, beside what people read; the checks of a change read it. */
const report = process.env['BATCHYARD_TEST_REPORT'];

export default defineConfig({
  test: {
    ...native,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    // A PGlite takes a quarter of a gigabyte.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...native, name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          ...native,
          name: 'whole',
          include: ['test/{db,api,fault,e2e}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          // One process runs file after file: loading the whole service anew for each took a third as long as its tests.
          isolate: false,
          // Deadlines for a machine with too much to do; a test that waits for nothing takes a second or two.
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Real processes, servers and clocks, two files at a time: a second try tells load from a defect, and is shown.
          retry: 1,
        },
      },
    ],
  },
});
