/** Reading executions: pages of them, or several by their ids. */
import { type ExpressionBuilder, sql } from 'kysely';
import type { Execution } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { type ExecutionFilter, type ExecutionTables, filtered } from './execution-filter.ts';
import { selectExecution } from './execution-rows.ts';
import { named } from './statement-name.ts';

export const EXECUTION_ORDER_FIELDS = ['CREATED_AT', 'STARTED_AT', 'ENDED_AT', 'STATUS'] as const;
export type ExecutionOrderField = (typeof EXECUTION_ORDER_FIELDS)[number];

/** The order of a list; what has not started, or not ended, comes after everything that has (ascending). */
export interface ExecutionOrder {
  readonly field: ExecutionOrderField;
  readonly ascending: boolean;
}

/**
 * An execution with its place in the order: microseconds since 1970 as text, empty when it has not started or ended;
 * behind a status and a blank where that comes first.
 */
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
  return await listStatement(db, projectId, filter, order, page).execute();
}

/** The statement of `listExecutions`, apart so that a test can EXPLAIN it. */
export function listStatement(db: Db, projectId: string, filter: ExecutionFilter, order: ExecutionOrder, page: Page) {
  const column = INSTANTS[order.field];
  const rises = order.ascending !== page.backward;
  let query = filtered(selectExecution(named(db, 'listExecutions')), projectId, filter)
    // A Date would cut the microseconds off, and pages would repeat or skip rows of one millisecond.
    .select(sortKeyOf(order.field).as('sortKey'))
    .$if(order.field === 'STATUS', (some) => some.orderBy('x.status', rises ? 'asc' : 'desc'))
    // NULLS LAST ascending and FIRST descending are the defaults, and the order of the index.
    .orderBy(column, rises ? 'asc' : 'desc')
    .orderBy('x.id', rises ? 'asc' : 'desc')
    .limit(page.limit + 1);
  if (page.after !== null) {
    const [sortKey, id] = page.after.map(String);
    query = query.where((eb) =>
      order.field === 'STATUS'
        ? beyondStatus(eb, rises, sortKey ?? '', id ?? '')
        : beyond(eb, column, rises, sortKey ?? '', id ?? ''),
    );
  }
  return query;
}

/** How many of a project's executions the filter takes; counted row by row. */
export async function countExecutions(db: Db, projectId: string, filter: ExecutionFilter): Promise<number> {
  const query = named(db, 'countExecutions')
    .selectFrom('batchExecution as x')
    .innerJoin('project as p', 'p.id', 'x.projectId')
    .select(sql<number>`count(*)::int`.as('n'));
  return (await filtered(query, projectId, filter).executeTakeFirstOrThrow()).n;
}

/** Those of the project's executions with these ids that the filter takes, in no certain order. */
export async function findListed(
  db: Db,
  projectId: string,
  filter: ExecutionFilter,
  ids: readonly string[],
): Promise<Execution[]> {
  return await filtered(selectExecution(named(db, 'findListed')), projectId, filter)
    .where('x.id', '=', anyOf(ids))
    .execute();
}

/** The executions with these ids in the project, in no certain order. */
export async function findExecutions(db: Db, projectId: string, ids: readonly string[]): Promise<Execution[]> {
  return await selectExecution(named(db, 'findExecutions'))
    .where('x.projectId', '=', projectId)
    .where('x.id', '=', anyOf(ids))
    .execute();
}

type Expression = ExpressionBuilder<ExecutionTables, 'x' | 'p'>;
type Instant = 'x.createdAt' | 'x.startedAt' | 'x.endedAt';

/** The instant that an order goes by; executions of one status follow each other by their creation. */
const INSTANTS = {
  CREATED_AT: 'x.createdAt',
  STARTED_AT: 'x.startedAt',
  ENDED_AT: 'x.endedAt',
  STATUS: 'x.createdAt',
} as const satisfies { [field in ExecutionOrderField]: Instant };

function sortKeyOf(field: ExecutionOrderField) {
  const instant = sql<string>`coalesce((extract(epoch from ${sql.ref(INSTANTS[field])}) * 1000000)::int8::text, '')`;
  return field === 'STATUS' ? sql<string>`x.status || ' ' || ${instant}` : instant;
}

/** Whether a row comes after the one with this key, in the direction of reading; null counts as later than any. */
function beyond(eb: Expression, column: Instant, rises: boolean, sortKey: string, id: string) {
  const compare = rises ? '>' : '<';
  if (sortKey === '') {
    const sibling = eb.and([eb(column, 'is', null), eb('x.id', compare, id)]);
    return rises ? sibling : eb.or([sibling, eb(column, 'is not', null)]);
  }
  const later = eb(eb.refTuple(column, 'x.id'), compare, eb.tuple(instantOf(sortKey), id));
  return rises && column !== 'x.createdAt' ? eb.or([later, eb(column, 'is', null)]) : later;
}

/** The same where the status comes first. */
function beyondStatus(eb: Expression, rises: boolean, sortKey: string, id: string) {
  const [status = '', micros = ''] = sortKey.split(' ');
  const key = sql<boolean>`(x.status, x.created_at, x.id) ${sql.raw(rises ? '>' : '<')} (${status}, ${instantOf(micros)}, ${id})`;
  return eb.and([key]);
}

const instantOf = (micros: string) => sql<Date>`(timestamptz 'epoch' + ${micros}::int8 * interval '1 microsecond')`;
