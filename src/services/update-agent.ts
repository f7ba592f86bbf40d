import type { Actor } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { obtainVersion } from '../store/agents.ts';
import { lockStoredAgent, setCurrentVersion } from '../store/stored-agents.ts';
import type { AgentInVersion } from './create-agent.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { type AgentContentInput, checkAgentContent } from './stored-agent-input.ts';

/** The whole new content of a stored agent: what is left out is left out of the new version. */
export interface UpdateAgentInput extends AgentContentInput {
  readonly agentId: string;
}

/**
 * The project's agent in the version that has this content; `changed` is false when it had it before.
 *
 * New content is the next version; content that an earlier version had makes that one current again. Executions
 * go on with the version that they pinned. Needs MEMBER; throws ValidationError, or NotFoundError also for an
 * agent that is not the project's own.
 */
export async function updateAgent(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now' | 'agents' | 'outputs'>,
  actor: Actor,
  input: UpdateAgentInput,
): Promise<AgentInVersion & { readonly changed: boolean }> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const content = await checkAgentContent(deps, actor, input, issues);
  issues.throwIfAny();
  if (content === undefined) throw new Error('A config without problems was not accepted.');
  const { kind, ...version } = content;
  return await deps.db.transaction().execute(async (tx) => {
    const agent = await lockStoredAgent(tx, actor.projectId, input.agentId);
    if (agent === null) throw new NotFoundError('agent', input.agentId);
    if (agent.kind !== kind) {
      issues.add(['input', 'config'], 'kind', `The agent is of kind ${agent.kind}, and stays so.`);
      issues.throwIfAny();
    }
    const id = deps.newId('AgentVersion');
    const now = await obtainVersion(tx, { id, agentId: agent.id, ...version, source: null, createdAt: deps.now() });
    const changed = agent.currentVersionId !== now.id;
    if (changed) await setCurrentVersion(tx, agent.id, now.id);
    return { agent: { ...agent, currentVersionId: now.id }, version: now, changed };
  });
}
