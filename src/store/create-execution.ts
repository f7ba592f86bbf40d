/** Storing a new execution, and finding the one that an idempotency key made. */
import { sql } from 'kysely';
import type { InputOverrides, PinnedSpec } from '../domain/spec.ts';
import { ITEM_STATUSES } from '../domain/states.ts';
import type { Db, Tx } from './database.ts';
import { insertDraft } from './drafts.ts';
import { named } from './statement-name.ts';

export interface NewExecution {
  readonly id: string;
  readonly projectId: string;
  readonly definitionId: string;
  readonly name: string;
  /** JSON text, null for none. */
  readonly metadata: string | null;
  readonly inputOverrides: InputOverrides | null;
  readonly spec: PinnedSpec;
  /** Where its results are elements; nowhere when null. */
  readonly outputDatasourceId?: string | null;
  /** The execution that it runs again. */
  readonly rerunOf?: string | null;
  readonly deadlineAt: Date | null;
  readonly priority: number;
  readonly sampleSize: number | null;
  readonly toleratedFailures: number | null;
  readonly toleratedFailurePercent: number | null;
  readonly idempotencyKey: string | null;
  readonly requestHash: string | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  /** Whether its items are still to be gathered; no by default. */
  readonly isDraft?: boolean;
}

/**
 * Stores an execution as PREPARING or as a DRAFT, with its first round and its lane.
 *
 * `false` when the project has one with this idempotency key; then nothing was stored.
 */
export async function insertExecution(tx: Tx, { isDraft = false, ...execution }: NewExecution): Promise<boolean> {
  const { id, spec, inputOverrides, createdAt } = execution;
  const row = {
    ...execution,
    inputOverrides: inputOverrides === null ? null : JSON.stringify(inputOverrides),
    spec: JSON.stringify(spec),
    inputDatasourceId: spec.input.datasourceId,
    status: isDraft ? ('DRAFT' as const) : ('PREPARING' as const),
    concurrency: spec.execution.concurrency,
    retryLimit: spec.execution.retryLimit,
    tokenBudget: spec.execution.tokenBudget ?? null,
    costBudget: spec.execution.costBudget?.toString() ?? null,
    roundOpenedAt: createdAt,
    lastActivityAt: createdAt,
    // The items of a draft are fixed when it is submitted.
    freezeUntil: isDraft ? null : lastPlace(spec.input.datasourceId),
    ...tierColumns(spec.tiers.length),
  };
  const agentVersionIds = spec.tiers.map((tier) => tier.agentVersionId);
  // One statement: beside executions that keep the service busy each answer waits its turn.
  const stored = await named(tx, 'insertExecution')
    .with('stored', (query) =>
      query
        .insertInto('batchExecution')
        .values(row)
        .onConflict((conflict) => conflict.columns(['projectId', 'idempotencyKey']).doNothing())
        .returning('id'),
    )
    .with('round', (query) =>
      query
        .insertInto('executionRound')
        .columns(['executionId', 'round', 'openedAt', 'agentVersionIds'])
        .expression((from) =>
          from
            .selectFrom('stored')
            .select((eb) => [
              'stored.id',
              eb.val(0).as('round'),
              eb.val(createdAt).as('openedAt'),
              eb.val(agentVersionIds).as('agentVersionIds'),
            ]),
        ),
    )
    .with('lane', (query) =>
      query
        .insertInto('executionLane')
        .columns(['executionId', 'no', 'share'])
        .expression((from) =>
          from
            .selectFrom('stored')
            .select((eb) => ['stored.id', eb.val(0).as('no'), eb.val(spec.execution.concurrency).as('share')]),
        ),
    )
    .selectFrom('stored')
    .select('stored.id')
    .executeTakeFirst();
  if (stored === undefined) return false;
  if (isDraft) await insertDraft(tx, id);
  return true;
}

/** The last place among a datasource's rows; null where its elements are none. */
const lastPlace = (datasourceId: string) => sql<number | null>`(
  select coalesce((select max(position) from data_element where datasource_id = d.id), -1)
  from datasource d where d.id = ${datasourceId} and d.kind in ('STORED', 'INLINE'))`;

/** The counts and times of the tiers of a new execution; with one tier they are its own. */
function tierColumns(tiers: number) {
  if (tiers === 1) return {};
  const unknown = Array<null>(tiers).fill(null);
  return {
    tierCounts: Array<number>((tiers - 1) * ITEM_STATUSES.length).fill(0),
    ...{ tierEnteredAt: unknown, tierLeftAt: unknown },
  };
}

/** The execution that this idempotency key made in the project, and the hash of its request. */
export async function findByIdempotencyKey(
  db: Db,
  projectId: string,
  idempotencyKey: string,
): Promise<{ id: string; requestHash: string | null } | null> {
  const row = await named(db, 'findByIdempotencyKey')
    .selectFrom('batchExecution')
    .select(['id', 'requestHash'])
    .where('projectId', '=', projectId)
    .where('idempotencyKey', '=', idempotencyKey)
    .executeTakeFirst();
  return row ?? null;
}
