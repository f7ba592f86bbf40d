/** How long a service takes to go on after it was killed in the middle of a batch. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createApiClient } from '../../src/cli/api-client.ts';
import { startService } from '../../test/support/service-process.ts';
import { until } from '../../test/support/until.ts';
import { createExecution, watchExecution } from '../echo-batch.ts';
import { type Bench, makeElements } from './service.ts';

/** Below this the batch would be over before it is killed. */
const FEW = 10_000;

/** Kills the service as kill -9 does when half of the items are done; ms from the next start of the process to its first call of the agent. */
export async function timeRestart(bench: Bench, items: number): Promise<number> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
  const file = path.join(folder, 'first-call');
  const datasourceId = await makeElements(bench, items);
  const config = { file, delayMs: items < FEW ? 50 : 0 };
  const id = await createExecution(bench.api, { datasourceId, agent: 'first-call', config });
  await watchExecution(bench.api, id, ({ counts }) => counts.succeeded >= items / 2);
  await bench.service.kill();
  rmSync(file);
  const startedAt = Date.now();
  const again = await startService(bench.settings);
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '');
  const firstCallAt = Number(readFileSync(file, 'utf8'));
  const api = createApiClient(`${again.url}/graphql`, again.key);
  const { counts, status } = await watchExecution(api, id);
  await api.close();
  await again.stop();
  rmSync(folder, { recursive: true, force: true });
  if (counts.succeeded !== items)
    throw new Error(`After the kill it ended as ${status} with ${JSON.stringify(counts)}.`);
  return firstCallAt - startedAt;
}
