/** Executions by their ids. */
import type { Actor, Execution } from '../domain/model.ts';
import { findExecutions as readExecutions } from '../store/execution-reads.ts';
import type { ServiceDeps } from './ports.ts';

/** The execution with each id, in the order of the ids; null where the actor has none with it. */
export async function findExecutions(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(Execution | null)[]> {
  const found = new Map((await readExecutions(deps.db, actor.projectId, ids)).map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}
