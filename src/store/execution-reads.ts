/** Reading executions: pages of them, or several by their ids. */
import { type ExpressionBuilder, sql } from 'kysely';
import type { Execution } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { ExecutionStatus } from '../domain/states.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { selectExecution } from './execution-rows.ts';
import { named } from './statement-name.ts';
import type { Database } from './tables.ts';

/** Which executions to list; what is absent or null does not restrict, an empty list matches nothing. */
export interface ExecutionFilter {
  readonly status?: readonly ExecutionStatus[] | null | undefined;
  readonly definitionId?: string | null | undefined;
  readonly datasourceId?: string | null | undefined;
  /** A part of the name; upper and lower case alike. */
  readonly name?: string | null | undefined;
  readonly createdAfter?: Date | null | undefined;
  readonly createdBefore?: Date | null | undefined;
}

export const EXECUTION_ORDER_FIELDS = ['CREATED_AT', 'STARTED_AT'] as const;
export type ExecutionOrderField = (typeof EXECUTION_ORDER_FIELDS)[number];

/** The order of a list; what has not started comes after everything that has (ascending). */
export interface ExecutionOrder {
  readonly field: ExecutionOrderField;
  readonly ascending: boolean;
}

/** An execution with its place in the order: microseconds since 1970 as text, empty when it has not started. */
export interface ListedExecution extends Execution {
  readonly sortKey: string;
}

/** One page of a project's executions, as `Page` says; its key is `[sortKey, id]`. */
export async function listExecutions(
  db: Db,
  projectId: string,
  filter: ExecutionFilter,
  order: ExecutionOrder,
  page: Page,
): Promise<ListedExecution[]> {
  const column = order.field === 'CREATED_AT' ? 'x.createdAt' : 'x.startedAt';
  const rises = order.ascending !== page.backward;
  let query = filtered(selectExecution(named(db, 'listExecutions')), filter)
    // A Date would cut the microseconds off, and pages would repeat or skip rows of one millisecond.
    .select(sql<string>`coalesce((extract(epoch from ${sql.ref(column)}) * 1000000)::int8::text, '')`.as('sortKey'))
    .where('x.projectId', '=', projectId)
    // NULLS LAST ascending and FIRST descending are the defaults, and the order of the index.
    .orderBy(column, rises ? 'asc' : 'desc')
    .orderBy('x.id', rises ? 'asc' : 'desc')
    .limit(page.limit + 1);
  if (page.after !== null) {
    const [sortKey, id] = page.after.map(String);
    query = query.where((eb) => beyond(eb, column, rises, sortKey ?? '', id ?? ''));
  }
  return await query.execute();
}

/** The executions with these ids in the project, in no certain order. */
export async function findExecutions(db: Db, projectId: string, ids: readonly string[]): Promise<Execution[]> {
  return await selectExecution(named(db, 'findExecutions'))
    .where('x.projectId', '=', projectId)
    .where('x.id', '=', anyOf(ids))
    .execute();
}

type Rows = Database & { x: Database['batchExecution']; p: Database['project'] };

/** Whether a row comes after the one with this key, in the direction of reading; null counts as later than any. */
function beyond(
  eb: ExpressionBuilder<Rows, 'x' | 'p'>,
  column: 'x.createdAt' | 'x.startedAt',
  rises: boolean,
  sortKey: string,
  id: string,
) {
  const compare = rises ? '>' : '<';
  if (sortKey === '') {
    const sibling = eb.and([eb(column, 'is', null), eb('x.id', compare, id)]);
    return rises ? sibling : eb.or([sibling, eb(column, 'is not', null)]);
  }
  const at = sql<Date>`(timestamptz 'epoch' + ${sortKey}::int8 * interval '1 microsecond')`;
  const later = eb(eb.refTuple(column, 'x.id'), compare, eb.tuple(at, id));
  return rises && column === 'x.startedAt' ? eb.or([later, eb(column, 'is', null)]) : later;
}

function filtered(
  query: ReturnType<typeof selectExecution>,
  filter: ExecutionFilter,
): ReturnType<typeof selectExecution> {
  let some = query;
  if (filter.status != null) some = some.where('x.status', '=', anyOf(filter.status));
  if (filter.definitionId != null) some = some.where('x.definitionId', '=', filter.definitionId);
  if (filter.datasourceId != null) some = some.where('x.inputDatasourceId', '=', filter.datasourceId);
  if (filter.name != null) some = some.where(sql<number>`strpos(lower(x.name), lower(${filter.name}))`, '>', 0);
  if (filter.createdAfter != null) some = some.where('x.createdAt', '>', filter.createdAfter);
  if (filter.createdBefore != null) some = some.where('x.createdAt', '<', filter.createdBefore);
  return some;
}
