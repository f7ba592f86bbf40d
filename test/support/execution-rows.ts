/** Executions as reading tests need them: rows put in directly, in any state. */
import { type Insertable, sql } from 'kysely';
import { newId } from '../../src/domain/ids.ts';
import type { ItemError } from '../../src/domain/item-error.ts';
import type { PinnedTier } from '../../src/domain/spec.ts';
import { ITEM_STATUSES, type ItemStatus } from '../../src/domain/states.ts';
import type { Db } from '../../src/store/database.ts';
import type { BatchItemTable } from '../../src/store/item-tables.ts';
import type { BatchExecutionTable } from '../../src/store/tables.ts';
import { makeExecution } from './rows.ts';

/** The row's columns that a test wants otherwise. */
export type ExecutionColumns = Partial<Omit<Insertable<BatchExecutionTable>, 'createdAt'>> & {
  readonly createdAt?: Date;
};

/** Makes an execution whose columns are as given; its id. */
export async function makeExecutionWith(db: Db, projectId: string, columns: ExecutionColumns): Promise<string> {
  const id = await makeExecution(db, projectId);
  const { spec, ...template } = await db
    .selectFrom('batchExecution')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await db.deleteFrom('batchExecution').where('id', '=', id).execute();
  const json = { spec: JSON.stringify(spec), metadata: null, inputOverrides: null };
  await db
    .insertInto('batchExecution')
    .values({ ...template, ...json, ...columns })
    .execute();
  return columns.id ?? id;
}

/** Makes an execution of several tiers, all of one agent; its id. */
export async function makeTieredExecution(
  db: Db,
  projectId: string,
  tiers: number,
  columns: ExecutionColumns = {},
): Promise<string> {
  const id = await makeExecutionWith(db, projectId, columns);
  const { spec } = await db.selectFrom('batchExecution').select('spec').where('id', '=', id).executeTakeFirstOrThrow();
  const [tier] = spec.tiers;
  const all = Array.from(
    { length: tiers },
    (): PinnedTier => ({
      agent: 'echo',
      agentId: tier?.agentId ?? newId('Agent'),
      agentName: 'echo',
      agentVersionId: tier?.agentVersionId ?? newId('AgentVersion'),
      agentVersion: 1,
    }),
  );
  await db
    .updateTable('batchExecution')
    .set({ spec: JSON.stringify({ ...spec, tiers: all }) })
    .where('id', '=', id)
    .execute();
  return id;
}

/** An item's columns that a test wants otherwise; those that its status asks for are filled in. */
export type ItemColumns = Partial<Insertable<BatchItemTable>> & {
  readonly filename?: string;
  readonly elementId?: string;
  readonly metadata?: unknown;
};

const ENDED: ReadonlySet<ItemStatus> = new Set<ItemStatus>(['SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED']);

/** Adds items with ordinals from `from` on; with its counts, unless its total says that they are there. */
export async function addItems(db: Db, executionId: string, items: readonly ItemColumns[], from = 0): Promise<void> {
  for (let start = 0; start < items.length; start += 1_000) {
    const chunk = items
      .slice(start, start + 1_000)
      .map((item, offset) => ({ ordinal: from + start + offset, ...item }));
    await db
      .insertInto('batchItem')
      .values(chunk.map(({ filename: _f, elementId: _e, metadata: _m, ...item }) => itemRow(executionId, item)))
      .execute();
    await db
      .insertInto('batchItemInput')
      .values(
        chunk.map(({ ordinal, filename, elementId, metadata }) => ({
          executionId,
          ordinal,
          elementId: elementId ?? `element-${ordinal}`,
          filename: filename ?? `element-${ordinal}.txt`,
          mediaType: 'text/plain',
          metadata: metadata === undefined ? null : JSON.stringify(metadata),
        })),
      )
      .execute();
  }
  const end = Math.max(0, ...items.map((item, index) => (item.ordinal ?? from + index) + 1));
  const counted = ITEM_STATUSES.map((status) => {
    const column = sql.ref(status.toLowerCase());
    return sql`${column} = ${column} + ${items.filter((item) => (item.status ?? 'QUEUED') === status).length}`;
  });
  await sql`update batch_execution set ${sql.join(counted)}, total = total + ${items.length}
    where id = ${executionId} and total < ${end}`.execute(db);
}

function itemRow(executionId: string, item: Partial<Insertable<BatchItemTable>> & { ordinal: number }) {
  const status = item.status ?? 'QUEUED';
  const at = new Date();
  return {
    executionId,
    status,
    revision: 1,
    startedAt: status === 'QUEUED' ? null : at,
    endedAt: ENDED.has(status) ? at : null,
    runAfter: status === 'RETRYING' ? at : null,
    ...(status === 'FAILED' && { errorCategory: 'RUNTIME' as const, errorCode: 'error', errorTransient: false }),
    ...item,
  };
}

/** Says that a revision changed items, and moves the items and the execution to that revision. */
export async function addChange(
  db: Db,
  executionId: string,
  revision: number,
  ordinals: readonly number[],
): Promise<void> {
  await db
    .insertInto('executionChange')
    .values({ executionId, revision, ordinals: [...ordinals] })
    .execute();
  await db
    .updateTable('batchItem')
    .set({ revision })
    .where('executionId', '=', executionId)
    .where('ordinal', 'in', [...ordinals])
    .execute();
  await db.updateTable('batchExecution').set({ revision }).where('id', '=', executionId).execute();
}

/** What a result row holds; `data` is written as it is. */
export interface ResultValues {
  readonly ordinal: number;
  readonly tier?: number;
  readonly round?: number;
  readonly data: unknown;
  readonly fieldErrors?: readonly unknown[];
  readonly artifacts?: readonly unknown[];
  readonly at?: Date;
}

/** Adds results of items. */
export async function addResults(db: Db, executionId: string, results: readonly ResultValues[]): Promise<void> {
  for (let start = 0; start < results.length; start += 1_000) {
    const rows = results.slice(start, start + 1_000).map(({ data, fieldErrors, artifacts, ...result }) => ({
      ...{ executionId, tier: 0, round: 0, attempt: 1, ...result },
      data: JSON.stringify(data),
      fieldErrors: fieldErrors === undefined ? null : JSON.stringify(fieldErrors),
      artifacts: artifacts === undefined ? null : JSON.stringify(artifacts),
    }));
    await db.insertInto('itemResult').values(rows).execute();
  }
}

/** What a failure row holds. */
export type FailureValues = Partial<Pick<ItemError, 'category' | 'code' | 'message' | 'transient'>> & {
  readonly ordinal: number;
  readonly tier?: number;
  readonly round?: number;
  readonly attempt: number;
  readonly details?: unknown;
  readonly at?: Date;
};

/** Adds failed attempts of items. */
export async function addFailures(db: Db, executionId: string, failures: readonly FailureValues[]): Promise<void> {
  const rows = failures.map(({ details, ...failure }) => ({
    ...{ executionId, tier: 0, round: 0, category: 'RUNTIME' as const, transient: false },
    ...{ code: 'error', message: 'It failed.', ...failure },
    details: details === undefined ? null : JSON.stringify(details),
  }));
  await db.insertInto('itemFailure').values(rows).execute();
}
