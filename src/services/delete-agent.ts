import type { Actor } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { lockStoredAgent, markAgentDeleted } from '../store/stored-agents.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * Takes an agent of the project away; its id.
 *
 * No new execution can run it, and its name is free again. Executions that pinned a version of it go on, and can be
 * retried with that version. Needs MEMBER; throws NotFoundError also for an agent that is not the project's own.
 */
export async function deleteAgent(
  { db, now }: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  agentId: string,
): Promise<string> {
  requireRole(actor, 'MEMBER');
  return await db.transaction().execute(async (tx) => {
    const agent = await lockStoredAgent(tx, actor.projectId, agentId);
    if (agent === null) throw new NotFoundError('agent', agentId);
    await markAgentDeleted(tx, agentId, now());
    return agentId;
  });
}
