/** Finds the agents of a spec and checks the configs they are given. */
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor } from '../domain/model.ts';
import type { PinnedTier, TierSpec } from '../domain/spec.ts';
import { findAgent, findVersions } from '../store/agents.ts';
import type { IssueList, Loc } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { includesRole } from './require-role.ts';

/** A tier with the place in the input of its agent and of its config. */
export interface PlacedTier {
  readonly tier: TierSpec;
  readonly agentLoc: Loc;
  readonly configLoc: Loc;
  /** Where its userMessage is; absent where that was checked before. */
  readonly messageLoc?: Loc;
}

/**
 * The tiers with the newest offered version of each agent, or with the version that a tier names itself; undefined
 * with the problems noted.
 */
export async function pinAgents(
  deps: Pick<ServiceDeps, 'db' | 'agents'>,
  actor: Actor,
  tiers: readonly PlacedTier[],
  issues: IssueList,
): Promise<readonly PinnedTier[] | undefined> {
  const pinned: PinnedTier[] = [];
  for (const { tier, agentLoc, configLoc, messageLoc } of tiers) {
    const found = await findAgentVersion(deps, actor, tier.agent);
    if (found === null) {
      issues.add(agentLoc, 'not_found', unknownAgent(deps, actor, tier.agent));
      continue;
    }
    const { agent, version } = found;
    for (const { path, message } of await deps.agents.configProblems(version.id, tier.config)) {
      const segments = path
        .split('/')
        .slice(1)
        .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
      issues.add([...configLoc, ...segments], 'config', message, { agent: agent.name, version: version.version });
    }
    if (messageLoc !== undefined) await checkMessage(deps, version.id, tier.userMessage, messageLoc, issues);
    pinned.push({
      ...tier,
      ...{ agentId: agent.id, agentName: agent.name, agentVersionId: version.id, agentVersion: version.version },
    });
  }
  return pinned.length === tiers.length ? pinned : undefined;
}

/** Notes where an agent's version cannot use a userMessage, whose meaning is the agent's own. */
export async function checkMessage(
  { agents }: Pick<ServiceDeps, 'agents'>,
  agentVersionId: string,
  message: string | undefined,
  loc: Loc,
  issues: IssueList,
): Promise<void> {
  if (message === undefined || issues.all.some((issue) => issue.loc.join() === loc.join())) return;
  const problem = await agents.messageProblem(agentVersionId, message);
  if (problem !== null) issues.add(loc, 'template', problem);
}

/**
 * The tiers with the versions that `before` ran of the same agents, in place of the newest ones.
 *
 * Notes where such a version does not take its tier's config.
 */
export async function keepVersions(
  deps: Pick<ServiceDeps, 'agents'>,
  tiers: readonly PinnedTier[],
  before: readonly PinnedTier[],
  loc: Loc,
  issues: IssueList,
): Promise<readonly PinnedTier[]> {
  const kept: PinnedTier[] = [];
  for (const tier of tiers) {
    const ran = before.find(({ agentId }) => agentId === tier.agentId) ?? tier;
    const { agentVersionId, agentVersion } = ran;
    for (const { path, message } of await deps.agents.configProblems(agentVersionId, tier.config)) {
      const msg = `Version ${agentVersion} of ${tier.agentName} does not take the tier's config: ${path} ${message}`;
      issues.add(loc, 'config', msg);
    }
    kept.push({ ...tier, agentVersionId, agentVersion });
  }
  return kept;
}

/** The newest offered version of the agent with this id or name, or the version with this id. */
async function findAgentVersion(
  { db, agents }: Pick<ServiceDeps, 'db' | 'agents'>,
  { projectId }: Actor,
  reference: string,
): Promise<{ agent: { id: string; name: string }; version: { id: string; version: number } } | null> {
  if (nodeTypeOf(reference) !== 'AgentVersion') return await agents.resolve(projectId, reference);
  const [version] = await findVersions(db, projectId, [reference]);
  // Not of an agent that was deleted: only what pinned it before runs on.
  const agent = version && (await findAgent(db, projectId, { id: version.agentId }));
  return version === undefined || agent == null ? null : { agent, version };
}

/** Says why a module is not offered to those who run the service, and nothing of it to others. */
function unknownAgent(deps: Pick<ServiceDeps, 'agents'>, actor: Actor, reference: string): string {
  const shown = JSON.stringify(reference.slice(0, 80));
  const problem = deps.agents.problems().find(({ file }) => file.replace(/^.*[\\/]|\.[^.]*$/g, '') === reference);
  if (problem === undefined) return `There is no agent ${shown}.`;
  const reason = includesRole(actor.role, 'ADMIN') ? problem.reason : 'its operator finds the reason in the log';
  return `The agent ${shown} cannot be loaded: ${reason}`;
}
