/** Reading agents and their versions, as the actor may see them. */
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor, Agent, AgentVersion } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import * as store from '../store/agents.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

type Deps = Pick<ServiceDeps, 'db' | 'agents'>;

/** The agent with this id or name; null when the project may use none. */
export async function getAgent(
  { db, agents }: Deps,
  { projectId }: Actor,
  reference: { readonly id: string } | { readonly name: string },
): Promise<Agent | null> {
  if ('id' in reference)
    return nodeTypeOf(reference.id) === 'Agent' ? await store.findAgent(db, projectId, reference) : null;
  // A file that was added just now has no row before it is looked at.
  await agents.resolve(projectId, reference.name);
  return await store.findAgent(db, projectId, reference);
}

/** A page of the agents that the project may use, by name; also those whose file is gone. */
export async function listAgents({ db, agents }: Deps, { projectId }: Actor, page: Page): Promise<readonly Agent[]> {
  await agents.refresh();
  return await store.listAgents(db, projectId, page);
}

/** The version of an agent that a new execution would run; null while none is offered. */
export async function currentAgentVersion(
  { agents }: Deps,
  { projectId }: Actor,
  agentId: string,
): Promise<AgentVersion | null> {
  return (await agents.resolve(projectId, agentId))?.version ?? null;
}

/** A page of an agent's versions, newest first. The agent must be one that the actor may see. */
export const listAgentVersions = ({ db }: Deps, agent: Agent, page: Page): Promise<readonly AgentVersion[]> =>
  store.listVersions(db, agent.id, page);

/** The agent versions with these ids, each or null in the order of the ids. */
export async function getAgentVersions(
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  ids: readonly string[],
): Promise<readonly (AgentVersion | null)[]> {
  const found = new Map((await store.findVersions(db, projectId, ids)).map((one) => [one.id, one]));
  return ids.map((id) => found.get(id) ?? null);
}

/** The files of the agents folder that cannot be loaded, with the reasons. Needs OPERATOR: they are the operator's code. */
export async function listAgentProblems(
  { agents }: Deps,
  actor: Actor,
): Promise<readonly { readonly file: string; readonly reason: string }[]> {
  requireRole(actor, 'OPERATOR');
  await agents.refresh();
  return agents.problems();
}
