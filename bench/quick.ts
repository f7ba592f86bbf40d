/** A small round of each benchmark on one server, so that none of them rots; its figures say nothing. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { withServer } from './support/databases.ts';

const BENCHMARKS = ['peers.ts', 'scale.ts', 'control.ts', 'threaded-call.ts'];

await withServer(undefined, async ({ url }) => {
  for (const benchmark of BENCHMARKS) {
    const program = path.join(import.meta.dirname, benchmark);
    const { status } = spawnSync(process.execPath, [program, '--quick', '--server', url], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`${benchmark} ended with ${status}.`);
  }
});
