import { sql } from 'kysely';
import { claimableStatuses } from '../domain/states.ts';
import type { HeldLane, Overdue } from '../engine/ports.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/**
 * Says which calls of a lane are overdue, and what its execution waits for (undefined: as before).
 *
 * One transaction, the execution first. null, and nothing written, when nothing of the execution may start or the
 * lane has a newer epoch.
 */
export async function noteOverdue(
  db: Db,
  lane: HeldLane,
  overdue: Overdue | null,
  reason: string | null | undefined,
): Promise<number | null> {
  return await db.transaction().execute(async (tx) => {
    const row = await named(tx, 'noteOverdue')
      .updateTable('batchExecution')
      .set((eb) => ({
        revision: eb('revision', '+', 1),
        ...(reason !== undefined && { waitReason: reason, waitUntil: null }),
      }))
      .where('id', '=', lane.executionId)
      .where('status', 'in', claimableStatuses())
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('executionLane')
            .select(sql.lit(1).as('held'))
            .where('executionId', '=', lane.executionId)
            .where('no', '=', lane.no)
            .where('epoch', '=', lane.epoch),
        ),
      )
      .returning('revision')
      .executeTakeFirst();
    if (row === undefined) return null;
    await named(tx, 'noteOverdueCalls')
      .updateTable('executionLane')
      .set({ overdueCalls: overdue?.calls ?? 0, overdueSince: overdue?.since ?? null, overdueEpoch: lane.epoch })
      .where('executionId', '=', lane.executionId)
      .where('no', '=', lane.no)
      .execute();
    return row.revision;
  });
}
