import type { LaneShare, LaneStore, OpenExecution } from '../engine/ports.ts';
import { cancelledItems } from './cancel-items.ts';
import { claim } from './claim.ts';
import { closeItems } from './close-items.ts';
import { noteWait, pauseExecution, stopExecution } from './control-execution.ts';
import type { Db, OpenDatabase } from './database.ts';
import { appendLogs } from './item-logs.ts';
import { fenceLanes, heldItems, type IsAlive, openExecutions, releaseLane, takeLane } from './lanes.ts';
import { noteOverdue } from './overdue-calls.ts';
import { settle } from './settle.ts';

/** The engine's store on a database of this kind, for the node with this id. */
export function createLaneStore(
  db: Db,
  node: string,
  isAlive: IsAlive,
  now: () => Date,
  kind: OpenDatabase['kind'] = 'embedded',
): LaneStore {
  return {
    openExecutions: async () => groupByExecution(await openExecutions(db, now())),
    openExecution: async (id) => groupByExecution(await openExecutions(db, now(), id))[0] ?? null,
    takeLane: (executionId, no, foresee) => takeLane(db, executionId, no, node, isAlive, now(), foresee),
    claim: (lane, keep, want, at) => claim(db, lane, keep, want, at),
    settle: (lane, settlement) => settle(db, lane, settlement, now()),
    cancelledItems: (lane) => cancelledItems(db, lane),
    heldItems: (lane) => heldItems(db, lane, now()),
    releaseLane: (lane, keep, suspects) => releaseLane(db, lane, keep, suspects),
    fenceLanes: (executionId, reason) => fenceLanes(db, executionId, reason, now()),
    stopExecution: (executionId, reason) => stopExecution(db, executionId, reason),
    noteWait: (executionId, wait) => noteWait(db, executionId, wait),
    noteOverdue: (lane, overdue, reason) => noteOverdue(db, lane, overdue, reason),
    pauseExecution: (executionId, reason) => pauseExecution(db, executionId, reason, now()),
    closeItems: (executionId, close) => closeItems(db, executionId, close, now(), kind),
    previousResult: (executionId, ordinal, tier) => previousResult(db, executionId, ordinal, tier),
    appendLogs: (lines) => appendLogs(db, lines),
    refusedData,
  };
}

type OpenRow = Awaited<ReturnType<typeof openExecutions>>[number];

function groupByExecution(rows: readonly OpenRow[]): OpenExecution[] {
  const executions = new Map<string, OpenExecution & { lanes: LaneShare[] }>();
  for (const { no, share, waiting, unprepared, drains, sampled, ...row } of rows) {
    const seen = executions.get(row.id);
    if (seen !== undefined) seen.lanes.push({ no, share });
    else {
      executions.set(row.id, {
        ...row,
        ...{
          waiting: Boolean(waiting),
          unprepared: Boolean(unprepared),
          drains: Boolean(drains),
          sampled: Boolean(sampled),
        },
        lanes: [{ no, share }],
      });
    }
  }
  return [...executions.values()];
}

async function previousResult(db: Db, executionId: string, ordinal: number, tier: number): Promise<unknown> {
  const row = await db
    .selectFrom('itemResult')
    .select('data')
    .where('executionId', '=', executionId)
    .where('ordinal', '=', ordinal)
    .where('tier', '=', tier)
    .orderBy('round', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.data ?? null;
}

/**
 * Whether the database refused the data itself: SQLSTATE classes 21 and 22 (data), 23 (a constraint) and 54
 * (a limit). Everything else (08, 40, 53, 57, or no SQLSTATE at all) is worth another try as it is.
 */
function refusedData(error: unknown): boolean {
  // A statement that cannot even be written: a string longer than the runtime allows.
  if (error instanceof RangeError) return true;
  const code = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' && /^(21|22|23|54)[0-9A-Z]{3}$/.test(code);
}
