/** Cancelling an execution as a client does. */
import { z } from 'zod';
import type { ApiClient } from '../../src/cli/api-client.ts';
import { watchExecution } from '../echo-batch.ts';

/** Cancels; the moment of the call, in ms since the epoch. */
export async function cancel(api: ApiClient, id: string): Promise<number> {
  const document = `mutation ($input: CancelBatchExecutionInput!) {
    cancelBatchExecution(input: $input) { ... on CancelBatchExecutionSuccess { batchExecution { id } } }
  }`;
  const done = z.object({ cancelBatchExecution: z.object({ batchExecution: z.object({ id: z.string() }) }) });
  const calledAt = performance.timeOrigin + performance.now();
  await api.request(done, document, { input: { batchExecutionId: id } });
  return calledAt;
}

/** Cancels and waits for the end; ms from the call to the event that tells of it. */
export async function cancelAndWait(api: ApiClient, id: string): Promise<number> {
  const [calledAt] = await Promise.all([cancel(api, id), watchExecution(api, id)]);
  return performance.timeOrigin + performance.now() - calledAt;
}
