/** A catalogue of agents that are only names, for tests in which nothing is run. */
import { z } from 'zod';
import { compileSchema } from '../../src/agents/config-schema.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Agent, AgentVersion } from '../../src/domain/model.ts';
import type { AgentCatalog } from '../../src/services/ports.ts';

/** Offers agents by name, each in one version with the config schema that is given; null takes any config. */
export function namedAgents(schemas: Readonly<Record<string, object | null>>): AgentCatalog {
  const offers = Object.entries(schemas).map(([name, configSchema]) => {
    const agent: Agent = { id: newId('Agent'), projectId: null, name, kind: 'MODULE', createdAt: new Date() };
    const version: AgentVersion = {
      ...{ id: newId('AgentVersion'), agentId: agent.id, agentName: name, kind: 'MODULE', version: 1 },
      ...{ contentHash: name, description: null, configSchema, createdAt: new Date() },
    };
    return { agent, version };
  });
  return {
    resolve: (_projectId, reference) =>
      Promise.resolve(offers.find(({ agent }) => agent.name === reference || agent.id === reference) ?? null),
    configProblems: (versionId, config) =>
      Promise.resolve(
        compileSchema(offers.find(({ version }) => version.id === versionId)?.version.configSchema)(config),
      ),
    configOf: () => z.unknown(),
    schemasIn: () => [],
    messageProblem: () => Promise.resolve(null),
    refresh: () => Promise.resolve(),
    problems: () => [{ file: '/agents/broken.ts', reason: 'line 1: a secret of the operator' }],
  };
}
