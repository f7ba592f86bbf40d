/** Agents that a project stores itself: those of kinds HTTP and CHAT. */
import type { Agent } from '../domain/model.ts';
import type { Tx } from './database.ts';
import { named } from './statement-name.ts';

/** Stores a project's agent, still without a version; false when the project has one of this name. */
export async function insertStoredAgent(tx: Tx, agent: Agent): Promise<boolean> {
  const { id, projectId, name, kind, createdAt } = agent;
  const row = await named(tx, 'insertStoredAgent')
    .insertInto('agent')
    .values({ id, projectId, name, kind, createdAt })
    .onConflict((conflict) => conflict.columns(['projectId', 'name']).where('deletedAt', 'is', null).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** The project's own agent, locked until the transaction ends; null when there is none. */
export async function lockStoredAgent(tx: Tx, projectId: string, id: string): Promise<Agent | null> {
  const row = await named(tx, 'lockStoredAgent')
    .selectFrom('agent')
    .select(['id', 'projectId', 'name', 'kind', 'currentVersionId', 'createdAt'])
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .where('deletedAt', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** Makes a version the one that new executions run. */
export async function setCurrentVersion(tx: Tx, agentId: string, versionId: string): Promise<void> {
  await named(tx, 'setCurrentVersion')
    .updateTable('agent')
    .set({ currentVersionId: versionId })
    .where('id', '=', agentId)
    .execute();
}

/** Takes an agent away from new executions; its versions stay for those that pinned one. */
export async function markAgentDeleted(tx: Tx, agentId: string, at: Date): Promise<void> {
  await named(tx, 'markAgentDeleted').updateTable('agent').set({ deletedAt: at }).where('id', '=', agentId).execute();
}
