/** The mutations that make, change and delete a project's own agents. */
import { LIMITS } from '../domain/limits.ts';
import type { Agent, AgentVersion } from '../domain/model.ts';
import { AlreadyExistsError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { createAgent } from '../services/create-agent.ts';
import { deleteAgent } from '../services/delete-agent.ts';
import { updateAgent } from '../services/update-agent.ts';
import { AgentType, AgentVersionType } from './agent.ts';
import { AgentConfigInput } from './agent-config-input.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const DESCRIPTION = `What it does, at most ${LIMITS.messageLength} characters.`;
const CONFIG_SCHEMA =
  'A JSON Schema (2020-12, or draft-07 by its `$schema`; patterns in RE2) that the `config` of every tier must fit; any config fits by default. An absent config is checked as `{}`.';

const CreateAgentInput = builder.inputType('CreateAgentInput', {
  description: "What an agent of the project's own is made from.",
  fields: (t) => ({
    name: t.string({
      required: true,
      description:
        'The name that specs call it by: 1-100 of letters, digits, "-" and "_", with a letter or digit first; not that of another agent.',
    }),
    description: t.string({ description: DESCRIPTION }),
    configSchema: t.field({ type: 'JSON', description: CONFIG_SCHEMA }),
    config: t.field({ type: AgentConfigInput, required: true, description: 'What it is made of.' }),
  }),
});

interface Made {
  readonly agent: Agent;
  readonly version: AgentVersion;
}

const CreateAgentSuccess = builder.objectRef<Made>('CreateAgentSuccess').implement({
  description: 'The agent was made.',
  fields: (t) => ({
    agent: t.expose('agent', { type: AgentType, description: 'The new agent.' }),
    version: t.expose('version', { type: AgentVersionType, description: 'Its first version.' }),
  }),
});

builder.mutationField('createAgent', (t) =>
  t.field({
    type: CreateAgentSuccess,
    description: 'Makes an agent that only this project has. Secrets that its config names must be there.',
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: { input: t.arg({ type: CreateAgentInput, required: true, description: 'What it is made from.' }) },
    resolve: (_root, { input }, ctx) => createAgent(ctx.deps, actorOf(ctx), input),
  }),
);

const UpdateAgentInput = builder.inputType('UpdateAgentInput', {
  description: 'The whole new content of an agent: what is left out is left out of the new version.',
  fields: (t) => ({
    agentId: t.id({ required: true, description: "An agent of the project's own, `agent_…`." }),
    description: t.string({ description: DESCRIPTION }),
    configSchema: t.field({ type: 'JSON', description: CONFIG_SCHEMA }),
    config: t.field({ type: AgentConfigInput, required: true, description: 'What it is made of; of the same kind.' }),
  }),
});

const UpdateAgentSuccess = builder.objectRef<Made & { readonly changed: boolean }>('UpdateAgentSuccess').implement({
  description: 'The agent has this content.',
  fields: (t) => ({
    agent: t.expose('agent', { type: AgentType, description: 'The agent.' }),
    version: t.expose('version', {
      type: AgentVersionType,
      description: 'The version with this content: the next one, or an earlier one that had it.',
    }),
    changed: t.exposeBoolean('changed', { description: 'Whether another version was the current one before.' }),
  }),
});

builder.mutationField('updateAgent', (t) =>
  t.field({
    type: UpdateAgentSuccess,
    description:
      "Gives an agent of the project's own new content, as a new version that new executions run. Executions go on with the version that they pinned, and a retry with `agentVersion: LATEST` takes the new one.",
    errors: { types: [ValidationError, NotFoundError] },
    args: { input: t.arg({ type: UpdateAgentInput, required: true, description: 'Which agent, and its content.' }) },
    resolve: (_root, { input }, ctx) => updateAgent(ctx.deps, actorOf(ctx), input),
  }),
);

const DeleteAgentInput = builder.inputType('DeleteAgentInput', {
  description: 'Which agent to delete.',
  fields: (t) => ({ agentId: t.id({ required: true, description: "An agent of the project's own, `agent_…`." }) }),
});

const DeleteAgentSuccess = builder.objectRef<{ readonly deletedId: string }>('DeleteAgentSuccess').implement({
  description: 'The agent is gone.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that it had.' }) }),
});

builder.mutationField('deleteAgent', (t) =>
  t.field({
    type: DeleteAgentSuccess,
    description:
      "Deletes an agent of the project's own: no new execution can run it, and its name is free. Its versions stay, and executions that pinned one go on and can be retried with it.",
    errors: { types: [NotFoundError, ValidationError] },
    args: { input: t.arg({ type: DeleteAgentInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({
      deletedId: await deleteAgent(ctx.deps, actorOf(ctx), input.agentId),
    }),
  }),
);
