/** How fast items come in as a stream of lines, against the same rows written by a bare INSERT … SELECT. */
import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { sql } from 'kysely';
import { z } from 'zod';
import { openPostgres } from '../../src/store/postgres.ts';
import { cancelAndWait } from './cancelling.ts';
import type { Bench } from './service.ts';

const PART_BYTES = 65_536;
const Report = z.object({ addedCount: z.number() });

/** How long a stream of small items takes to be stored, and how long one statement takes for the same rows, in ms. */
export async function timeStream(bench: Bench, items: number): Promise<{ streamMs: number; bareMs: number }> {
  const { api, service, url } = bench;
  const document = `mutation { createBatchExecution(input: { draft: true,
    source: { spec: { name: "stream", agent: "echo", input: {} } } }) {
    ... on CreateBatchExecutionSuccess { batchExecution { id } } ... on UserError { message } } }`;
  const created = z.object({ createBatchExecution: z.object({ batchExecution: z.object({ id: z.string() }) }) });
  const { id } = (await api.request(created, document, {})).createBatchExecution.batchExecution;
  const started = performance.now();
  const headers = { authorization: `Bearer ${service.key}`, 'content-type': 'application/x-ndjson' };
  const posting = request(`${service.url}/executions/${id}/items`, { method: 'POST', headers });
  const answered: Promise<unknown[]> = once(posting, 'response');
  await pipeline(Readable.from(lines(items)), posting);
  const [response] = await answered;
  const report = Report.parse(await json(response instanceof Readable ? response : Readable.from([])));
  const streamMs = performance.now() - started;
  if (report.addedCount !== items) throw new Error(`Not every line was stored: ${JSON.stringify(report)}`);
  const bareMs = await timeBareStore(url ?? '', id);
  await cancelAndWait(api, id);
  return { streamMs, bareMs };
}

function* lines(items: number): Generator<Buffer> {
  let part = '';
  for (let n = 0; n < items; n += 1) {
    part += `${JSON.stringify({ filename: `element-${n}.txt`, text: `The text of element-${n}.txt` })}\n`;
    if (part.length < PART_BYTES) continue;
    yield Buffer.from(part);
    part = '';
  }
  yield Buffer.from(part);
}

/** Writes the elements of a draft once more, under another datasource, and takes them back. */
async function timeBareStore(url: string, executionId: string): Promise<number> {
  const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
  const copy = 'ds_000000000000000000000';
  const { inputDatasourceId: from } = await db
    .selectFrom('batchExecution')
    .select('inputDatasourceId')
    .where('id', '=', executionId)
    .executeTakeFirstOrThrow();
  await sql`insert into datasource (id, project_id, kind, name)
    select ${copy}, project_id, kind, ${copy} from datasource where id = ${from}`.execute(db);
  const started = performance.now();
  await sql`insert into data_element (datasource_id, id, position, filename, media_type, metadata, documents,
      document_names, size_bytes, content_hash, created_at, updated_at)
    overriding system value
    select ${copy}, id, position, filename, media_type, metadata, documents, document_names, size_bytes, content_hash,
      created_at, updated_at
    from data_element where datasource_id = ${from} order by position`.execute(db);
  const elapsed = performance.now() - started;
  await sql`delete from datasource where id = ${copy}`.execute(db);
  await close();
  return elapsed;
}
