/** The batches that the benchmarks run: stored elements through an agent that does next to nothing. */
import { z } from 'zod';
import type { ApiClient } from '../src/cli/api-client.ts';

const CHUNK = 5_000;
const Id = z.object({ id: z.string() });

/** Makes a datasource with `total` small stored elements; its id. */
export async function storeElements(api: ApiClient, total: number): Promise<string> {
  const createDocument = `mutation ($input: CreateStoredDatasourceInput!) {
    createStoredDatasource(input: $input) { ... on CreateStoredDatasourceSuccess { datasource { id } } }
  }`;
  const created = z.object({ createStoredDatasource: z.object({ datasource: Id }) });
  const { createStoredDatasource } = await api.request(created, createDocument, {
    input: { name: `bench-${Math.random().toString(36).slice(2)}` },
  });
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

/** Which agent runs over the elements, and how; `echo` with concurrency 100 unless given. */
export interface Batch {
  readonly datasourceId: string;
  readonly agent?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly concurrency?: number;
  readonly itemTimeoutMs?: number;
}

/** Creates an execution; its id. */
export async function createExecution(api: ApiClient, batch: Batch): Promise<string> {
  const { datasourceId, agent = 'echo', config = {}, concurrency = 100, itemTimeoutMs = 3_600_000 } = batch;
  const document = `mutation ($input: CreateBatchExecutionInput!) {
    createBatchExecution(input: $input) {
      ... on CreateBatchExecutionSuccess { batchExecution { id } }
      ... on UserError { code message }
    }
  }`;
  const created = z.object({ createBatchExecution: z.object({ batchExecution: Id }) });
  const execution = { concurrency, itemTimeoutMs };
  const spec = { name: 'bench', tiers: [{ agent, config }], input: { datasourceId }, execution };
  const { createBatchExecution } = await api.request(created, document, { input: { source: { spec } } });
  return createBatchExecution.batchExecution.id;
}

const State = z.object({
  status: z.string(),
  revision: z.number(),
  counts: z.object({ total: z.number(), running: z.number(), succeeded: z.number(), cancelled: z.number() }),
});

/** An execution as an event of its subscription tells it. */
export type State = z.infer<typeof State>;

/** Watches an execution as a client would, to the end of its stream or until `seen` answers true; its last state. */
export async function watchExecution(
  api: ApiClient,
  id: string,
  seen: (state: State) => boolean = () => false,
): Promise<State> {
  const document = `subscription ($id: ID!) {
    batchExecutionUpdated(id: $id) {
      batchExecution { status revision counts { total running succeeded cancelled } }
      changedItems { ordinal status }
    }
  }`;
  const event = z.object({ batchExecutionUpdated: z.object({ batchExecution: State }) });
  let last: State | null = null;
  for await (const { batchExecutionUpdated } of api.watch(event, document, { id })) {
    last = batchExecutionUpdated.batchExecution;
    if (seen(last)) break;
  }
  if (last === null) throw new Error(`The execution ${id} told nothing of itself.`);
  return last;
}

/** Runs one batch, watched by one subscriber; how long it took from the create call to its end, in ms. */
export async function runBatch(api: ApiClient, batch: Batch, total: number): Promise<number> {
  const started = performance.now();
  const id = await createExecution(api, batch);
  const last = await watchExecution(api, id);
  const elapsed = performance.now() - started;
  if (last.status !== 'COMPLETED' || last.counts.succeeded !== total) {
    throw new Error(`Not every item was settled: ${JSON.stringify(last)}`);
  }
  return elapsed;
}
