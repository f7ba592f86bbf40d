/** A project's executions, page by page. */
import type { Actor } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import { ValidationError } from '../domain/user-error.ts';
import {
  type ExecutionFilter,
  type ExecutionOrder,
  type ListedExecution,
  listExecutions as readPage,
} from '../store/execution-reads.ts';
import type { ServiceDeps } from './ports.ts';

export { EXECUTION_ORDER_FIELDS, type ExecutionFilter, type ListedExecution } from '../store/execution-reads.ts';

export interface ListExecutionsInput {
  readonly filter: ExecutionFilter;
  readonly order: ExecutionOrder;
  readonly page: Page;
}

// Microseconds of the years that PostgreSQL and RFC 3339 both take; empty for what has not started.
const SORT_KEY = /^(-?\d{1,17})?$/;

/** The rows of one page, and one more if there are more. Throws ValidationError for a cursor that was tampered with. */
export async function listExecutions(
  deps: ServiceDeps,
  actor: Actor,
  { filter, order, page }: ListExecutionsInput,
): Promise<ListedExecution[]> {
  if (page.after !== null && !SORT_KEY.test(String(page.after[0]))) {
    const loc = [page.backward ? 'before' : 'after'];
    throw new ValidationError([{ loc, msg: 'is not a cursor of this list', type: 'cursor' }]);
  }
  return await readPage(deps.db, actor.projectId, filter, order, page);
}
