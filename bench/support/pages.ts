/** How long a page of items takes, by how deep it lies. */
import { z } from 'zod';
import type { ApiClient } from '../../src/cli/api-client.ts';
import { median } from './numbers.ts';

const REPEATS = 15;
const PAGE = 50;

const Pages = z.object({
  batchExecution: z.object({
    items: z.object({
      nodes: z.array(z.object({ ordinal: z.number() })),
      pageInfo: z.object({ startCursor: z.string() }),
    }),
  }),
});

/** The median time in ms of a page of 50 items at the start, in the middle and at the end of `total`. */
export async function timePages(
  api: ApiClient,
  id: string,
  total: number,
): Promise<Record<'first' | 'middle' | 'last', number>> {
  const { pageInfo } = await readPage(api, id, null);
  return {
    first: await timePage(api, id, null, 0),
    middle: await timePage(api, id, cursorAt(pageInfo.startCursor, Math.floor(total / 2) - 1), Math.floor(total / 2)),
    last: await timePage(api, id, cursorAt(pageInfo.startCursor, total - PAGE - 1), total - PAGE),
  };
}

async function timePage(api: ApiClient, id: string, after: string | null, ordinal: number): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    const started = performance.now();
    const { nodes } = await readPage(api, id, after);
    times.push(performance.now() - started);
    if (nodes[0]?.ordinal !== ordinal) throw new Error(`The page starts at ${nodes[0]?.ordinal}, not at ${ordinal}.`);
  }
  return median(times);
}

async function readPage(api: ApiClient, id: string, after: string | null) {
  const document = `query ($id: ID!, $after: String, $first: Int) {
    batchExecution(id: $id) {
      items(first: $first, after: $after) { nodes { ordinal status filename } pageInfo { startCursor } }
    }
  }`;
  const { batchExecution } = await api.request(Pages, document, { id, after, first: PAGE });
  return batchExecution.items;
}

/** The cursor of another item of the same list; paging up to the middle of a million would take longer than the rest. */
function cursorAt(cursor: string, ordinal: number): string {
  const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parts)) throw new Error('A cursor is not what it was.');
  return Buffer.from(JSON.stringify([...parts.slice(0, -1), ordinal])).toString('base64url');
}
