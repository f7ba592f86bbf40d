/** The rounds of executions. */
import type { Actor } from '../domain/model.ts';
import type { Round } from '../domain/retry-selection.ts';
import { listRounds } from '../store/round-reads.ts';
import type { ServiceDeps } from './ports.ts';

/** Most rounds that are listed of one execution. */
export const MAX_ROUNDS = 100;

/** The last rounds of each execution, oldest first, in the order of the ids. */
export async function readRounds(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly Round[])[]> {
  const rows = await listRounds(deps.db, actor.projectId, ids, MAX_ROUNDS);
  const found = Map.groupBy(rows, (row) => row.executionId);
  return ids.map((id) => found.get(id) ?? []);
}
