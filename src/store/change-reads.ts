/** Reading which items a range of revisions changed. */
import { sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import type { Item } from '../domain/model.ts';
import type { Db } from './database.ts';
import { inputAt } from './item-inputs.ts';
import { ITEM_COLUMNS } from './item-rows.ts';
import { itemAt } from './item-stretches.ts';
import { type Blanks, frequent } from './statement-name.ts';

/** Changed items, newest change first. */
export interface NewestChanges {
  readonly items: readonly Item[];
  /** Whether more items changed, or may have: the range was not read to its end. */
  readonly truncated: boolean;
}

/**
 * The items that changed last in the revisions above `since` and up to `upTo`, as many as an event holds, as they are now.
 *
 * Reads the newest revisions of the range, one more than that, and of each one ordinal more than that, whatever the
 * execution's size. So `truncated` may be true for a range of more revisions than that in which few items changed.
 *
 * One statement, which is planned once: while a batch runs at full speed each event waits for it.
 */
export async function newestChanges(
  db: Db,
  projectId: string,
  executionId: string,
  range: { readonly since: number; readonly upTo: number },
): Promise<NewestChanges> {
  const rows = await newestItems(db, { projectId, executionId, ...range });
  let truncated = false;
  const found = rows.map(({ truncated: isTruncated, ...item }) => {
    truncated = isTruncated;
    return item;
  });
  return { items: found, truncated };
}

interface Asked {
  readonly projectId: string;
  readonly executionId: string;
  readonly since: number;
  readonly upTo: number;
}

const newestItems = frequent('newestChanges', (db, { projectId, executionId, since, upTo }: Blanks<Asked>) => {
  const [most, oneMore] = [sql.lit(LIMITS.changedItemsPerEvent), sql.lit(LIMITS.changedItemsPerEvent + 1)];
  // Materialized, lest statistics that do not know the execution yet promise a single row of it.
  const newest = sql<{ executionId: string; ordinal: number; revision: number; place: number; truncated: boolean }>`(
    with change as materialized (
      select execution_id, revision, ordinals[1:${oneMore}] as ordinals from execution_change
      where execution_id = ${executionId} and revision > ${since}::int and revision <= ${upTo}::int
        and exists (select from batch_execution where id = ${executionId} and project_id = ${projectId})
      order by revision desc limit ${oneMore}
    ), changed as materialized (
      select distinct on (o.ordinal) c.execution_id, o.ordinal, c.revision, o.place
      from change c, unnest(c.ordinals) with ordinality o(ordinal, place)
      order by o.ordinal, c.revision desc, o.place
    )
    select *, (select count(*) from change) > ${most} or (select count(*) from changed) > ${most} as truncated
    from changed order by revision desc, place limit ${most}
  )`.as<'k'>(sql`k`);
  return db
    .selectFrom(newest)
    .innerJoinLateral(itemAt(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('i'), (join) => join.onTrue())
    .innerJoinLateral(inputAt(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('n'), (join) => join.onTrue())
    .select([...ITEM_COLUMNS, 'k.truncated'])
    .orderBy('k.revision', 'desc')
    .orderBy('k.place');
});
