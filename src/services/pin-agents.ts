/** Finds the agents of a spec and checks the configs they are given. */
import type { Actor } from '../domain/model.ts';
import type { PinnedTier, TierSpec } from '../domain/spec.ts';
import type { IssueList, Loc } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { includesRole } from './require-role.ts';

/** A tier with the place in the input of its agent and of its config. */
export interface PlacedTier {
  readonly tier: TierSpec;
  readonly agentLoc: Loc;
  readonly configLoc: Loc;
}

/** The tiers with the newest offered version of each agent; undefined with the problems noted. */
export async function pinAgents(
  deps: Pick<ServiceDeps, 'agents'>,
  actor: Actor,
  tiers: readonly PlacedTier[],
  issues: IssueList,
): Promise<readonly PinnedTier[] | undefined> {
  const pinned: PinnedTier[] = [];
  for (const { tier, agentLoc, configLoc } of tiers) {
    const found = await deps.agents.resolve(actor.projectId, tier.agent);
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
    pinned.push({
      ...tier,
      ...{ agentId: agent.id, agentName: agent.name, agentVersionId: version.id, agentVersion: version.version },
    });
  }
  return pinned.length === tiers.length ? pinned : undefined;
}

/** Says why a module is not offered to those who run the service, and nothing of it to others. */
function unknownAgent(deps: Pick<ServiceDeps, 'agents'>, actor: Actor, reference: string): string {
  const shown = JSON.stringify(reference.slice(0, 80));
  const problem = deps.agents.problems().find(({ file }) => file.replace(/^.*[\\/]|\.[^.]*$/g, '') === reference);
  if (problem === undefined) return `There is no agent ${shown}.`;
  const reason = includesRole(actor.role, 'ADMIN') ? problem.reason : 'its operator finds the reason in the log';
  return `The agent ${shown} cannot be loaded: ${reason}`;
}
