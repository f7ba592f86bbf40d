/** A project's executions, page by page. */
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import { EXECUTION_STATUSES } from '../domain/states.ts';
import { ValidationError } from '../domain/user-error.ts';
import type { ExecutionFilter } from '../store/execution-filter.ts';
import {
  countExecutions as countRows,
  type ExecutionOrder,
  type ListedExecution,
  listExecutions as readPage,
} from '../store/execution-reads.ts';
import { zodIssues } from './check-input.ts';
import { ownJson } from './own-json.ts';
import type { ServiceDeps } from './ports.ts';
import { storableString } from './storable-string.ts';

export { EXECUTION_ORDER_FIELDS, type ListedExecution } from '../store/execution-reads.ts';

/** Which executions to list, as a caller says it. */
export interface ExecutionFilterInput extends Omit<ExecutionFilter, 'metadataAt'> {
  /** Places in the metadata, as keys with dots between them, and what must be there. */
  readonly metadataAt?: readonly { readonly path: string; readonly equals?: unknown }[] | null | undefined;
}

export interface ListExecutionsInput {
  readonly filter: ExecutionFilterInput;
  readonly order: ExecutionOrder;
  readonly page: Page;
}

const MATCHES = 20;

const text = storableString(LIMITS.patternLength).nullish();
const schema = z.looseObject({
  ...{
    definitionId: text,
    definitionName: text,
    datasourceId: text,
    outputDatasourceId: text,
    agent: text,
    name: text,
  },
  metadata: ownJson(LIMITS.metadataBytes).optional(),
  metadataAt: z
    .array(
      z.object({
        path: storableString(LIMITS.patternLength).min(1),
        equals: ownJson(LIMITS.metadataBytes).optional(),
      }),
    )
    .max(MATCHES)
    .nullish(),
});

// Microseconds of the years that PostgreSQL and RFC 3339 both take; empty for what has not started or ended.
const SORT_KEY = /^(-?\d{1,17})?$/;
const STATUS_KEY = new RegExp(`^(${EXECUTION_STATUSES.join('|')}) -?\\d{1,17}$`);

/**
 * The rows of one page, and one more if there are more.
 *
 * Throws ValidationError for a cursor that was tampered with, and for a filter that no row could match as it is.
 */
export async function listExecutions(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  { filter, order, page }: ListExecutionsInput,
): Promise<ListedExecution[]> {
  const rule = order.field === 'STATUS' ? STATUS_KEY : SORT_KEY;
  if (page.after !== null && !rule.test(String(page.after[0]))) {
    const loc = [page.backward ? 'before' : 'after'];
    throw new ValidationError([{ loc, msg: 'is not a cursor of this list', type: 'cursor' }]);
  }
  return await readPage(deps.db, actor.projectId, checkFilter(filter), order, page);
}

/** How many executions the filter takes, whatever the page. Throws ValidationError as `listExecutions` does. */
export async function countExecutions(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  filter: ExecutionFilterInput,
): Promise<number> {
  return await countRows(deps.db, actor.projectId, checkFilter(filter));
}

/** The filter as the store takes it; throws ValidationError with every problem, each `loc` starting with `filter`. */
export function checkFilter({ metadataAt, ...filter }: ExecutionFilterInput): ExecutionFilter {
  const result = schema.safeParse({ ...filter, metadataAt });
  if (!result.success) throw new ValidationError(zodIssues(result.error, ['filter']));
  return {
    ...filter,
    metadataAt: metadataAt?.map(({ path, equals }) => ({ path: path.split('.'), equals: equals ?? null })) ?? null,
  };
}
