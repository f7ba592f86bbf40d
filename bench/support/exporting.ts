/** How long all results take to be read as one stream, and what memory that takes. */
import { request } from 'node:http';
import { watchMemory } from './memory.ts';
import { median } from './numbers.ts';
import type { Bench } from './service.ts';

/** One download of all results. */
export interface Export {
  readonly itemsPerSecond: number;
  readonly firstByteMs: number;
  /** The service's resident memory while it went on, in bytes: the median. */
  readonly memoryBytes: number;
}

/** Reads the results of an execution of `items` items; throws unless there is a line for each. */
export async function timeExport(
  { service }: Bench,
  executionId: string,
  format: 'jsonl' | 'csv',
  items: number,
): Promise<Export> {
  const memoryOf = watchMemory(service);
  const started = performance.now();
  let [firstByteMs, lines] = [Number.NaN, 0];
  await new Promise<void>((resolve, reject) => {
    const headers = { authorization: `Bearer ${service.key}` };
    request(`${service.url}/executions/${executionId}/results.${format}`, { headers }, (response) => {
      response.on('data', (part: Buffer) => {
        if (lines === 0) firstByteMs = performance.now() - started;
        for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) lines += 1;
      });
      response.on('end', resolve).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
  const elapsedMs = performance.now() - started;
  const memory = memoryOf();
  const heads = format === 'csv' ? 1 : 0;
  if (lines !== items + heads) throw new Error(`${lines - heads} lines of ${items} results.`);
  return { itemsPerSecond: items / (elapsedMs / 1_000), firstByteMs, memoryBytes: median(memory) };
}
