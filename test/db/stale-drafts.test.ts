import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { addBatchItems } from '../../src/services/add-batch-items.ts';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import { createDraftSweep } from '../../src/services/end-stale-drafts.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';
import { stopAll } from '../support/nothing-left.ts';

const HOUR_MS = 3_600_000;
const SWEEP_MS = 60_000;

afterEach(() => {
  vi.useRealTimers();
});

describeDatabases('a draft that nobody submits', (open) => {
  test('ends by itself once its time is over: the sweep cancels it, the engine closes it', async () => {
    const db = await open();
    const harness = await startEngine(db);
    let now = new Date();
    const own = { now: () => now, agents: namedAgents({ echo: null }) };
    const deps = Object.assign(Object.create(harness.deps) as ServiceDeps, own);
    const source = { spec: { name: 'a-draft', agent: 'echo', input: {} } };
    const { execution } = await createBatchExecution(deps, harness.actor, { draft: true, source });
    const items = [{ filename: 'a.txt', text: 'a' }];
    await addBatchItems(deps, harness.actor, { batchExecutionId: execution.id, items });

    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const errors: unknown[] = [];
    const sweep = createDraftSweep(deps, (error) => errors.push(error));
    sweep.start();
    now = new Date(now.getTime() + LIMITS.draftHours * HOUR_MS + 1_000);
    vi.advanceTimersByTime(SWEEP_MS);
    expect(await harness.ended(execution.id)).toMatchObject({
      ...{ status: 'CANCELLED', total: 0, cancelReason: expect.stringContaining(`${LIMITS.draftHours} hours`) },
    });
    await sweep.stop();
    expect(errors).toEqual([]);
    await stopAll(db, [harness]);
  });
});
