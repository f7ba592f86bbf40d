/** Drafts: executions whose items are still being gathered. */
import { sql } from 'kysely';
import { type ExecutionStatus, executionMoveFrom } from '../domain/states.ts';
import type { Db, Tx } from './database.ts';
import { named } from './statement-name.ts';

/** An execution as far as gathering its items goes. */
export interface Draft {
  readonly id: string;
  readonly status: ExecutionStatus;
  /** Where its items are stored while it is a draft. */
  readonly datasourceId: string;
  readonly itemCount: number;
  /** Indexes that were ever given: those of its items, and of what was taken out and not put back. */
  readonly slotCount: number;
  /** Every index below is there, or was taken out. */
  readonly nextIndex: number;
  readonly lastActivityAt: Date;
}

/** Rows that one look for the first missing index reads. */
const ADVANCE_ROWS = 10_000;

/** Makes an execution's row for its draft's items. */
export async function insertDraft(tx: Tx, executionId: string): Promise<void> {
  await named(tx, 'insertDraft').insertInto('batchDraft').values({ executionId }).execute();
}

/** The project's execution as a draft; null when there is none, or when it never was one. */
export async function findDraft(db: Db, projectId: string, executionId: string): Promise<Draft | null> {
  return (await selectDraft(named(db, 'findDraft'), projectId, executionId).executeTakeFirst()) ?? null;
}

/** The same, locked against other changes of the execution and its draft until the transaction ends. */
export async function lockDraft(tx: Tx, projectId: string, executionId: string): Promise<Draft | null> {
  // Both rows: of one that is not locked, a statement that had to wait would show what was there before its wait.
  const query = selectDraft(named(tx, 'lockDraft'), projectId, executionId).forNoKeyUpdate(['x', 'd']);
  return (await query.executeTakeFirst()) ?? null;
}

/** The drafts among these executions of the project, in no order. */
export async function findDrafts(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
): Promise<readonly Draft[]> {
  if (executionIds.length === 0) return [];
  return await selectDrafts(named(db, 'findDrafts'), projectId).where('x.id', 'in', executionIds).execute();
}

const selectDrafts = (db: Db, projectId: string) =>
  db
    .selectFrom('batchExecution as x')
    .innerJoin('batchDraft as d', 'd.executionId', 'x.id')
    .select([
      'x.id',
      'x.status',
      'x.inputDatasourceId as datasourceId',
      'd.itemCount as slotCount',
      'd.nextIndex',
      'x.lastActivityAt',
    ])
    .select(({ eb }) => eb('d.itemCount', '-', eb.ref('d.removedCount')).as('itemCount'))
    .where('x.projectId', '=', projectId);

const selectDraft = (db: Db, projectId: string, executionId: string) =>
  selectDrafts(db, projectId).where('x.id', '=', executionId);

/**
 * Notes that items were added, and that every index below `nextIndex` is there; the execution's new revision.
 *
 * `refilled` of the added have an index whose item was taken out before.
 */
export async function growDraft(
  tx: Tx,
  executionId: string,
  grown: { readonly added: number; readonly refilled: number; readonly nextIndex: number },
  now: Date,
): Promise<number> {
  await named(tx, 'growDraft')
    .updateTable('batchDraft')
    .set((eb) => ({
      itemCount: eb('itemCount', '+', grown.added - grown.refilled),
      removedCount: eb('removedCount', '-', grown.refilled),
      nextIndex: grown.nextIndex,
    }))
    .where('executionId', '=', executionId)
    .execute();
  return await touchDraft(tx, executionId, now);
}

/** Notes that a draft changed; the execution's new revision. */
export async function touchDraft(tx: Tx, executionId: string, now: Date): Promise<number> {
  const row = await named(tx, 'touchDraft')
    .updateTable('batchExecution')
    .set((eb) => ({ lastActivityAt: now, revision: eb('revision', '+', 1) }))
    .where('id', '=', executionId)
    .returning('revision')
    .executeTakeFirstOrThrow();
  return row.revision;
}

/**
 * Looks for the first index that is missing, a bounded stretch at a time; `done` once it is found.
 *
 * Items that came out of order leave `nextIndex` behind; whoever needs to know calls this until it is done.
 */
export async function advanceDraft(
  db: Db,
  draft: Draft,
): Promise<{ readonly nextIndex: number; readonly done: boolean }> {
  // Raw: a window over a limited subquery, in one round trip with what it finds.
  const { rows } = await sql<{ gap: number | null; n: number }>`/* advanceDraft */
select (min(expected) filter (where position <> expected))::int as gap, count(*)::int as n
from (
  select position, ${draft.nextIndex}::bigint + row_number() over (order by position) - 1 as expected
  from (
    select position from data_element
    where datasource_id = ${draft.datasourceId} and position >= ${draft.nextIndex}
    union all
    select index from batch_draft_gap where execution_id = ${draft.id} and index >= ${draft.nextIndex}
    order by position limit ${ADVANCE_ROWS}
  ) as stretch
) as placed`.execute(db);
  const { gap, n } = rows[0] ?? { gap: null, n: 0 };
  const nextIndex = gap ?? draft.nextIndex + n;
  if (nextIndex > draft.nextIndex) {
    await named(db, 'advanceDraft')
      .updateTable('batchDraft')
      .set((eb) => ({ nextIndex: eb.fn<number>('greatest', ['nextIndex', eb.val(nextIndex)]) }))
      .where('executionId', '=', draft.id)
      .execute();
  }
  return { nextIndex, done: gap !== null || n < ADVANCE_ROWS };
}

/** Seals a draft's items and hands it to the engine as PREPARING; its new revision, or null when it is no draft. */
export async function submitDraft(db: Db, executionId: string, now: Date): Promise<number | null> {
  const row = await named(db, 'submitDraft')
    .updateTable('batchExecution')
    .set((eb) => ({ status: 'PREPARING' as const, lastActivityAt: now, revision: eb('revision', '+', 1) }))
    .where('id', '=', executionId)
    .where('status', 'in', executionMoveFrom('submit'))
    .returning('revision')
    .executeTakeFirst();
  return row?.revision ?? null;
}

/** Requests the cancel of every draft, of all projects, that nobody has touched since an instant; what was changed. */
export async function cancelStaleDrafts(
  db: Db,
  before: Date,
  reason: string,
  now: Date,
): Promise<readonly { readonly id: string; readonly revision: number }[]> {
  return await named(db, 'cancelStaleDrafts')
    .updateTable('batchExecution')
    .set((eb) => ({
      ...{ status: 'CANCELLING' as const, cancelMode: 'ABORT' as const, cancelReason: reason },
      ...{ cancelRequestedAt: now, lastActivityAt: now },
      revision: eb('revision', '+', 1),
    }))
    .where('endedAt', 'is', null)
    .where('status', 'in', executionMoveFrom('submit'))
    .where('lastActivityAt', '<', before)
    .returning(['id', 'revision'])
    .execute();
}
