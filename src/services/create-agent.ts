import { z } from 'zod';
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor, Agent, AgentVersion } from '../domain/model.ts';
import { AlreadyExistsError } from '../domain/user-error.ts';
import { findAgent, obtainVersion } from '../store/agents.ts';
import { insertStoredAgent, setCurrentVersion } from '../store/stored-agents.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { type AgentContentInput, checkAgentContent } from './stored-agent-input.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const name = z
  .string()
  .regex(NAME, 'must be 1-100 of letters, digits, "-" and "_", with a letter or digit first')
  // A spec may name an agent by its id, by that of a version, or by its name.
  .refine((text) => nodeTypeOf(text) === null, 'looks like an id');

/** What an agent that a project stores is made from. */
export interface CreateAgentInput extends AgentContentInput {
  readonly name: string;
}

/** A stored agent, and the version that new executions run. */
export interface AgentInVersion {
  readonly agent: Agent;
  readonly version: AgentVersion;
}

/**
 * A new agent of the project, in its first version.
 *
 * Needs MEMBER; throws ValidationError with every problem (also for a secret that is not there), or
 * AlreadyExistsError when an agent that the project may use has the name.
 */
export async function createAgent(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now' | 'agents' | 'outputs'>,
  actor: Actor,
  input: CreateAgentInput,
): Promise<AgentInVersion> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  issues.check(name, input.name, ['input', 'name']);
  const content = await checkAgentContent(deps, actor, input, issues);
  issues.throwIfAny();
  if (content === undefined) throw new Error('A config without problems was not accepted.');
  const { kind, ...version } = content;
  const taken = await deps.agents.resolve(actor.projectId, input.name);
  if (taken !== null) throw new AlreadyExistsError('agent', input.name, taken.agent.id);
  const createdAt = deps.now();
  const agent = { id: deps.newId('Agent'), projectId: actor.projectId, name: input.name, kind, createdAt };
  const stored = await deps.db.transaction().execute(async (tx) => {
    if (!(await insertStoredAgent(tx, agent))) return null;
    const id = deps.newId('AgentVersion');
    const first = await obtainVersion(tx, { id, agentId: agent.id, ...version, source: null, createdAt });
    await setCurrentVersion(tx, agent.id, first.id);
    return { agent: { ...agent, currentVersionId: first.id }, version: first };
  });
  if (stored !== null) return stored;
  const existing = await findAgent(deps.db, actor.projectId, { name: input.name });
  throw new AlreadyExistsError('agent', input.name, existing?.id ?? null);
}
