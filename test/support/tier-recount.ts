/** The counts of tiers as the items say them. */
import { ITEM_STATUSES } from '../../src/domain/states.ts';
import type { Db } from '../../src/store/database.ts';

/** What `batch_execution.tier_counts` should hold: seven numbers for each tier but the first; null with one tier. */
export async function recountTiers(db: Db, executionId: string): Promise<number[] | null> {
  const { spec } = await db
    .selectFrom('batchExecution')
    .select('spec')
    .where('id', '=', executionId)
    .executeTakeFirstOrThrow();
  if (spec.tiers.length === 1) return null;
  const items = await db
    .selectFrom('everyItem')
    .select(['tier', 'status'])
    .where('executionId', '=', executionId)
    .execute();
  return spec.tiers
    .slice(1)
    .flatMap((_, index) =>
      ITEM_STATUSES.map((status) => items.filter((item) => item.tier === index + 1 && item.status === status).length),
    );
}

/** Writes what the items say into the execution's row, for tests that put items in by hand. */
export async function setTierCounts(
  db: Db,
  executionId: string,
  times: { readonly enteredAt?: readonly (Date | null)[]; readonly leftAt?: readonly (Date | null)[] } = {},
): Promise<void> {
  await db
    .updateTable('batchExecution')
    .set({
      tierCounts: await recountTiers(db, executionId),
      tierEnteredAt: times.enteredAt === undefined ? null : [...times.enteredAt],
      tierLeftAt: times.leftAt === undefined ? null : [...times.leftAt],
    })
    .where('id', '=', executionId)
    .execute();
}
