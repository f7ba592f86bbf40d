/** The demo's batch, through the API as any client would run it. */
import { z } from 'zod';
import type { ApiClient } from './api-client.ts';
import type { DocumentResult, ErrorGroup } from './demo-report.ts';
import type { ProgressState } from './progress.ts';

const AGENT = 'document-report';
const PAGE = 1_000;
const EXAMPLES = 3;

const UserError = z.object({ code: z.string(), message: z.string() });

/** The datasource of that name over Markdown files below the project's folder, made if it is missing; its id. */
export async function ensureDatasource(api: ApiClient, name: string, glob: string): Promise<string> {
  const document = /* GraphQL */ `
    mutation ($input: CreateFolderDatasourceInput!) {
      createFolderDatasource(input: $input) {
        ... on CreateFolderDatasourceSuccess { datasource { id } }
        ... on AlreadyExistsError { existingId }
        ... on UserError { code message }
      }
    }`;
  const Made = z.object({ datasource: z.object({ id: z.string() }) });
  const Existing = z.object({ existingId: z.string() });
  const shape = z.object({ createFolderDatasource: z.union([Made, Existing, UserError]) });
  const input = { name, glob, description: 'The README files of the installed packages.' };
  const { createFolderDatasource: answer } = await api.request(shape, document, { input });
  if ('datasource' in answer) return answer.datasource.id;
  if ('existingId' in answer) return answer.existingId;
  throw new Error(answer.message);
}

/** Creates an execution of the document report over a datasource; its id. */
export async function createExecution(api: ApiClient, datasourceId: string): Promise<string> {
  const document = /* GraphQL */ `
    mutation ($input: CreateBatchExecutionInput!) {
      createBatchExecution(input: $input) {
        ... on CreateBatchExecutionSuccess { batchExecution { id } }
        ... on UserError { code message }
      }
    }`;
  const Made = z.object({ batchExecution: z.object({ id: z.string() }) });
  const spec = { name: 'demo', agent: AGENT, input: { datasourceId } };
  const shape = z.object({ createBatchExecution: z.union([Made, UserError]) });
  const { createBatchExecution: answer } = await api.request(shape, document, { input: { source: { spec } } });
  if ('batchExecution' in answer) return answer.batchExecution.id;
  throw new Error(answer.message);
}

/** Each state of an execution from now to its end, as the subscription tells it. */
export async function* watchExecution(api: ApiClient, id: string): AsyncGenerator<ProgressState> {
  const document = /* GraphQL */ `
    subscription ($id: ID!) {
      batchExecutionUpdated(id: $id) {
        batchExecution {
          status
          counts { total succeeded failed cancelled expired retrying }
          progress { percent itemsPerSecond }
        }
      }
    }`;
  const count = z.number().int();
  const shape = z.object({
    batchExecutionUpdated: z.object({
      batchExecution: z.object({
        status: z.string(),
        counts: z.object({
          ...{ total: count, succeeded: count, failed: count },
          ...{ cancelled: count, expired: count, retrying: count },
        }),
        progress: z.object({ percent: z.number(), itemsPerSecond: z.number().nullable() }),
      }),
    }),
  });
  for await (const { batchExecutionUpdated } of api.watch(shape, document, { id })) {
    const { status, counts, progress } = batchExecutionUpdated.batchExecution;
    const { total, succeeded, failed, cancelled, expired, retrying } = counts;
    yield { status, ...progress, total, closed: succeeded + failed + cancelled + expired, failed, retrying };
  }
}

const ReportData = z.object({
  words: z.number(),
  readingEase: z.number().nullable(),
  headings: z.array(z.unknown()),
  links: z.object({ total: z.number() }),
  brokenLinks: z.array(z.unknown()),
  codeLanguages: z.record(z.string(), z.number()),
});
const Item = z.object({
  filename: z.string(),
  data: ReportData.nullable(),
  fieldErrors: z.array(UserError),
  error: UserError.nullable(),
});

/** What an execution over documents came to. */
export interface Results {
  /** Most words first. */
  readonly documents: readonly DocumentResult[];
  /** What the agent found wrong in documents that it could report on, most frequent first. */
  readonly flaws: readonly ErrorGroup[];
  /** Why it could not report on the others, most frequent first. */
  readonly errors: readonly ErrorGroup[];
}

/** Reads every item of an execution. */
export async function readResults(api: ApiClient, id: string): Promise<Results> {
  const documents: DocumentResult[] = [];
  const flaws = new Map<string, Group>();
  const errors = new Map<string, Group>();
  for await (const { filename, data, fieldErrors, error } of readItems(api, id)) {
    if (data !== null) documents.push(documentResult(filename, data));
    for (const flaw of fieldErrors) count(flaws, filename, flaw);
    if (error !== null) count(errors, filename, error);
  }
  return { documents: documents.sort((a, b) => b.words - a.words), flaws: groups(flaws), errors: groups(errors) };
}

interface Group {
  count: number;
  readonly filenames: Set<string>;
  readonly examples: string[];
}

function count(all: Map<string, Group>, filename: string, { code, message }: z.infer<typeof UserError>): void {
  const group = all.get(code) ?? { count: 0, filenames: new Set(), examples: [] };
  all.set(code, group);
  group.count += 1;
  // One of each document, so that the examples differ.
  if (group.examples.length < EXAMPLES && !group.filenames.has(filename))
    group.examples.push(`${filename}: ${message}`);
  group.filenames.add(filename);
}

const groups = (all: ReadonlyMap<string, Group>): ErrorGroup[] =>
  [...all]
    .map(([code, group]) => ({ code, count: group.count, documents: group.filenames.size, examples: group.examples }))
    .sort((a, b) => b.count - a.count);

async function* readItems(api: ApiClient, id: string): AsyncGenerator<z.infer<typeof Item>> {
  const document = /* GraphQL */ `
    query ($id: ID!, $first: Int!, $after: String) {
      batchExecution(id: $id) {
        items(first: $first, after: $after) {
          nodes { filename data fieldErrors { code message } error { code message } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`;
  const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() });
  const shape = z.object({ batchExecution: z.object({ items: z.object({ nodes: z.array(Item), pageInfo }) }) });
  let after: string | null = null;
  do {
    const answer: z.infer<typeof shape> = await api.request(shape, document, { id, first: PAGE, after });
    const page = answer.batchExecution.items;
    yield* page.nodes;
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
}

const documentResult = (filename: string, data: z.infer<typeof ReportData>): DocumentResult => ({
  filename,
  words: data.words,
  readingEase: data.readingEase,
  headings: data.headings.length,
  links: data.links.total,
  broken: data.brokenLinks.length,
  languages: Object.keys(data.codeLanguages),
});
