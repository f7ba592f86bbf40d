/** Reading the rounds of executions. */
import type { Round, RoundParameters, RoundSelection } from '../domain/retry-selection.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { isResubmit } from './round-selection.ts';
import { named } from './statement-name.ts';

/** The last `limit` rounds of each execution, oldest first. */
export async function listRounds(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
  limit: number,
): Promise<(Round & { readonly executionId: string })[]> {
  const rows = await named(db, 'listRounds')
    .selectFrom('executionRound as r')
    .innerJoin('batchExecution as x', 'x.id', 'r.executionId')
    .select(['r.executionId', 'r.round', 'r.openedAt', 'r.agentVersionIds', 'r.selection', 'r.parameters'])
    .where('x.projectId', '=', projectId)
    .where('r.executionId', '=', anyOf(executionIds))
    .where((eb) => eb('r.round', '>', eb('x.round', '-', limit)))
    .orderBy('r.round')
    .execute();
  return rows.map(({ selection, parameters, ...row }) => {
    // A row's selection is what `openRound` wrote.
    const taken = selection as RoundSelection | null;
    const fromTier = taken !== null && isResubmit(taken) ? taken.fromTier : null;
    const kind = taken === null ? 'FIRST' : fromTier === null ? 'RETRY' : 'RESUBMIT';
    return { ...row, kind, fromTier, parameters: parameters ?? ({} satisfies RoundParameters) };
  });
}
