/** The batch that the benchmarks run: stored elements through the agent `echo`. */
import { z } from 'zod';
import type { ApiClient } from '../src/cli/api-client.ts';

const CHUNK = 5_000;
const CONCURRENCY = 100;
const Id = z.object({ id: z.string() });

/** Makes a datasource with `total` small stored elements; its id. */
export async function storeElements(api: ApiClient, total: number): Promise<string> {
  const createDocument = `mutation ($input: CreateStoredDatasourceInput!) {
    createStoredDatasource(input: $input) { ... on CreateStoredDatasourceSuccess { datasource { id } } }
  }`;
  const created = z.object({ createStoredDatasource: z.object({ datasource: Id }) });
  const { createStoredDatasource } = await api.request(created, createDocument, { input: { name: `bench-${total}` } });
  const datasourceId = createStoredDatasource.datasource.id;
  const addDocument = `mutation ($input: AddDataElementsInput!) {
    addDataElements(input: $input) { ... on AddDataElementsSuccess { datasource { id } } }
  }`;
  const added = z.object({ addDataElements: z.object({ datasource: Id }) });
  for (let from = 0; from < total; from += CHUNK) {
    const elements = Array.from({ length: Math.min(CHUNK, total - from) }, (_, offset) => {
      const filename = `element-${from + offset}.txt`;
      return { filename, text: `The text of ${filename}.` };
    });
    await api.request(added, addDocument, { input: { datasourceId, elements } });
  }
  return datasourceId;
}

/** Runs one batch over the datasource, watched by one subscriber; how long it took from the create call to its end, in ms. */
export async function runEcho(api: ApiClient, datasourceId: string, total: number): Promise<number> {
  const started = performance.now();
  const createDocument = `mutation ($input: CreateBatchExecutionInput!) {
    createBatchExecution(input: $input) { ... on CreateBatchExecutionSuccess { batchExecution { id } } }
  }`;
  const created = z.object({ createBatchExecution: z.object({ batchExecution: Id }) });
  const spec = { name: 'bench', agent: 'echo', input: { datasourceId }, execution: { concurrency: CONCURRENCY } };
  const { createBatchExecution } = await api.request(created, createDocument, { input: { source: { spec } } });
  const { id } = createBatchExecution.batchExecution;

  const watchDocument = `subscription ($id: ID!) {
    batchExecutionUpdated(id: $id) {
      batchExecution { status counts { succeeded } }
      changedItems { ordinal status }
    }
  }`;
  const batchExecution = z.object({ status: z.string(), counts: z.object({ succeeded: z.number() }) });
  const event = z.object({ batchExecutionUpdated: z.object({ batchExecution }) });
  let last: z.infer<typeof batchExecution> | null = null;
  for await (const { batchExecutionUpdated } of api.watch(event, watchDocument, { id })) {
    last = batchExecutionUpdated.batchExecution;
  }
  const elapsed = performance.now() - started;
  if (last?.status !== 'COMPLETED' || last.counts.succeeded !== total) {
    throw new Error(`Not every item was settled: ${JSON.stringify(last)}`);
  }
  return elapsed;
}
