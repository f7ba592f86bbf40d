/** What an execution and its tiers are made from: fields that lead to the definition, the agents and the datasource. */
import type { AgentVersion } from '../domain/model.ts';
import { AgentVersionType, loadAgentVersion } from './agent.ts';
import { BatchDefinitionType, loadDefinition } from './batch-definition.ts';
import { ExecutionType } from './batch-execution.ts';
import { TierType } from './batch-tier.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { DatasourceType, loadDatasource } from './datasource.ts';

builder.objectFields(ExecutionType, (t) => ({
  definition: t.field({
    type: BatchDefinitionType,
    description: 'The definition version that it runs.',
    resolve: async ({ definitionId }, _args, ctx) => there(await loadDefinition(ctx, definitionId), definitionId),
  }),
  agents: t.field({
    type: [AgentVersionType],
    description: 'The agent version that each tier runs, in the order of the tiers.',
    resolve: ({ spec }, _args, ctx) => Promise.all(spec.tiers.map((tier) => pinnedVersion(ctx, tier.agentVersionId))),
  }),
  inputDatasource: t.field({
    type: DatasourceType,
    nullable: true,
    description: 'Where its elements come from; an INLINE one when they came with the call.',
    resolve: ({ inputDatasourceId }, _args, ctx) => loadDatasource(ctx, inputDatasourceId),
  }),
  outputDatasource: t.field({
    type: DatasourceType,
    nullable: true,
    description:
      'The datasource whose elements its results are: the RESULTS one that it names, else an EXECUTION_RESULTS one of its own. null when that was deleted.',
    resolve: ({ outputDatasourceId }, _args, ctx) =>
      outputDatasourceId === null ? null : loadDatasource(ctx, outputDatasourceId),
  }),
}));

builder.objectFields(TierType, (t) => ({
  agent: t.field({
    type: AgentVersionType,
    description: 'The agent version that works in this tier.',
    resolve: ({ execution, number }, _args, ctx) =>
      pinnedVersion(ctx, execution.spec.tiers[number]?.agentVersionId ?? ''),
  }),
}));

const pinnedVersion = async (ctx: Context, id: string): Promise<AgentVersion> =>
  there(await loadAgentVersion(ctx, id), id);

function there<T>(found: T | null, id: string): T {
  if (found === null) throw new Error(`${id} is referred to and not there.`);
  return found;
}
