/** How long a cancel takes to reach every running call. */
import { z } from 'zod';
import type { ApiClient } from '../../src/cli/api-client.ts';
import { createExecution, watchExecution } from '../echo-batch.ts';
import { cancel } from './cancelling.ts';

const Items = z.object({
  batchExecution: z.object({
    items: z.object({ nodes: z.array(z.object({ data: z.object({ abortedAt: z.number() }) })) }),
  }),
});

/**
 * Cancels an execution of which `running` items run; ms from the call to the abort of the last of them.
 *
 * null when not every call told of its abort: a thread that had yet to start when the cancel came never made its own.
 */
export async function timeAborts(
  api: ApiClient,
  datasourceId: string,
  running: number,
  agent: string,
): Promise<number | null> {
  const id = await createExecution(api, { datasourceId, agent, concurrency: running });
  let calledAt = 0;
  await watchExecution(api, id, ({ counts }) => {
    if (calledAt > 0 || counts.running < running) return false;
    calledAt = Number.POSITIVE_INFINITY;
    void cancel(api, id).then((at) => {
      calledAt = at;
    });
    return false;
  });
  const document = `query ($id: ID!, $first: Int!) {
    batchExecution(id: $id) { items(first: $first, filter: { status: SUCCEEDED }) { nodes { data } } }
  }`;
  const { batchExecution } = await api.request(Items, document, { id, first: running });
  const aborts = batchExecution.items.nodes.map(({ data }) => data.abortedAt);
  return aborts.length === running ? Math.max(...aborts) - calledAt : null;
}
