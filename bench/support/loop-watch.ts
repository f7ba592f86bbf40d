/**
 * Loaded into the service's process (`--import`): writes the longest stall of its event loop into a file.
 *
 * On SIGUSR2 it writes what it saw since the last time, in ms, and begins anew.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const file = process.env['BENCH_LOOP_FILE'] ?? '';

const watched = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
watched.enable();
process.on('SIGUSR2', () => {
  const stall = { maxMs: watched.max / 1e6, p99Ms: watched.percentile(99) / 1e6 };
  watched.reset();
  // A reader must never see half of it.
  writeFileSync(`${file}.new`, JSON.stringify(stall));
  renameSync(`${file}.new`, file);
});
