/** Agents: what can be run over items, and the versions that executions pin. */
import type { AGENT_KINDS, Agent, AgentVersion } from '../domain/model.ts';
import {
  currentAgentVersion,
  getAgent,
  getAgentVersions,
  listAgentProblems,
  listAgents,
  listAgentVersions,
} from '../services/read-agents.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { Node, registerNode } from './node.ts';
import { badUserInput } from './top-level-errors.ts';

const AgentKindEnum = builder.enumType('AgentKind', {
  description: 'What an agent is made of. More values may come.',
  values: {
    BUILT_IN: { description: 'It comes with the service.' },
    MODULE: { description: "It is a file in the operator's agents folder." },
    HTTP: { description: 'An HTTP endpoint that the project named, called for each item.' },
    CHAT: { description: 'A chat model behind an OpenAI-compatible endpoint that the project named.' },
  } satisfies { [kind in (typeof AGENT_KINDS)[number]]: { description: string } },
});

export const AgentVersionType = builder.objectRef<AgentVersion>('AgentVersion').implement({
  description: 'An agent as it was at one time. An execution pins the version that it runs.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `agv_…`.' }),
    agentId: t.exposeID('agentId', { description: 'The agent that it is a version of.' }),
    name: t.exposeString('agentName', { description: "The agent's name." }),
    kind: t.expose('kind', { type: AgentKindEnum, description: 'What the agent is made of.' }),
    version: t.exposeInt('version', { description: 'Its number, from 1; new content has the next one.' }),
    contentHash: t.exposeString('contentHash', {
      description:
        'SHA-256 (hex) of its code with everything it imports; for HTTP and CHAT, of its config, description and schema.',
    }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it does, in its own words; null when it does not say.',
    }),
    configSchema: t.expose('configSchema', {
      type: 'JSON',
      nullable: true,
      description:
        "The JSON Schema that a tier's `config` must fit; null when it takes any. An absent config is checked as `{}`.",
    }),
    config: t.expose('config', {
      type: 'JSON',
      nullable: true,
      description:
        'HTTP and CHAT: what it is made of, as it was given, with the defaults for what was left out. Secrets are in it by name only. null for the other kinds.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When this content was first seen.' }),
  }),
});

const loadVersions: BatchLoad<string, AgentVersion | null> = (ids, ctx) =>
  getAgentVersions(ctx.deps, actorOf(ctx), ids);

/** The agent version with this id as the request's actor may see it, or null. */
export const loadAgentVersion = (ctx: Context, id: string): Promise<AgentVersion | null> =>
  ctx.loaders.of(loadVersions, ctx).load(id);

registerNode('AgentVersion', AgentVersionType, (ctx, _actor, id) => loadAgentVersion(ctx, id));

const byNumber = ordering<AgentVersion>('agent-versions.newest', { int: (row) => row.version });
const AgentVersionConnection = connectionOf(AgentVersionType, 'AgentVersion');

export const AgentType = builder.objectRef<Agent>('Agent').implement({
  description: 'Something that turns one item into a result. Its name is what a spec calls it by.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `agent_…`.' }),
    name: t.exposeString('name', { description: 'The name; for a module, that of its file.' }),
    kind: t.expose('kind', { type: AgentKindEnum, description: 'What it is made of.' }),
    projectId: t.exposeID('projectId', {
      nullable: true,
      description: 'The project that it belongs to and that may change it; null when every project is offered it.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first seen.' }),
    currentVersion: t.field({
      type: AgentVersionType,
      nullable: true,
      complexity: 5,
      description:
        'The version that a new execution runs: for HTTP and CHAT that of the last update, else that of the file as it is now. null while the file is gone or cannot be loaded; then only executions that pinned a version before can run.',
      resolve: (agent, _args, ctx) => currentAgentVersion(ctx.deps, actorOf(ctx), agent.id),
    }),
    versions: t.connection(
      {
        type: AgentVersionType,
        description: 'All its versions, newest first.',
        complexity: pageCost,
        resolve: async (agent, args, ctx) => {
          const page = keysetArgs(args, byNumber);
          return toConnection(await listAgentVersions(ctx.deps, agent, page), page, byNumber);
        },
      },
      AgentVersionConnection,
    ),
  }),
});

registerNode('Agent', AgentType, (ctx, actor, id) => getAgent(ctx.deps, actor, { id }));

const byName = ordering<Agent>('agents.name', { text: (row) => row.name }, { text: (row) => row.id });
const AgentConnection = connectionOf(AgentType, 'Agent');

builder.queryField('agents', (t) =>
  t.connection(
    {
      type: AgentType,
      description: 'The agents that the project may use, by name; also those whose file is gone.',
      complexity: pageCost,
      resolve: async (_root, args, ctx) => {
        const page = keysetArgs(args, byName);
        return toConnection(await listAgents(ctx.deps, actorOf(ctx), page), page, byName);
      },
    },
    AgentConnection,
  ),
);

builder.queryField('agent', (t) =>
  t.field({
    type: AgentType,
    nullable: true,
    description: 'The agent with this id or this name (exactly one of them); null when the project may use none.',
    args: {
      id: t.arg.id({ description: 'The id, `agent_…`.' }),
      name: t.arg.string({ description: 'The name.' }),
    },
    resolve: (_root, { id, name }, ctx) => {
      if (id != null && name == null) return getAgent(ctx.deps, actorOf(ctx), { id });
      if (name != null && id == null) return getAgent(ctx.deps, actorOf(ctx), { name });
      throw badUserInput('agent takes exactly one of id and name.');
    },
  }),
);

const AgentProblem = builder.objectRef<{ readonly file: string; readonly reason: string }>('AgentProblem').implement({
  description: 'A file of the agents folder that cannot be loaded, so that its agent is not offered.',
  fields: (t) => ({
    file: t.exposeString('file', { description: "The file's path on the node that answers." }),
    reason: t.exposeString('reason', { description: 'Why it cannot be loaded.' }),
  }),
});

builder.queryField('agentProblems', (t) =>
  t.field({
    type: [AgentProblem],
    authScopes: { operator: true },
    description: 'The files of the agents folder that cannot be loaded now, with the reasons. Needs OPERATOR.',
    resolve: async (_root, _args, ctx) => [...(await listAgentProblems(ctx.deps, actorOf(ctx)))],
  }),
);
