/** The configs that agents are stored with, one input for each kind. */
import { LIMITS } from '../domain/limits.ts';
import { AgentHeaderInput } from './agent-header-input.ts';
import { builder } from './builder.ts';
import { ChatAgentConfigInput } from './chat-agent-config-input.ts';

const { agentConnections, agentHeaders, agentRedirects, agentRequestBytes, itemTimeoutMs, resultBytes } = LIMITS;

const HttpAgentConfigInput = builder.inputType('HttpAgentConfigInput', {
  description:
    'An endpoint that is called for every item: one POST of a JSON body, whose answer is the result. See `docs/agents.md` for both.',
  fields: (t) => ({
    url: t.string({
      required: true,
      description:
        'The endpoint, https, at most 2000 characters. Private addresses and plain http are refused when it is called, except for what the operator allows by BATCHYARD_ALLOW_PRIVATE_HOSTS.',
    }),
    headers: t.field({
      type: [AgentHeaderInput],
      description: `Headers for every call, at most ${agentHeaders}. They are not taken along to another origin by a redirect.`,
    }),
    graphql: t.string({
      description:
        'For a GraphQL endpoint: the operation, at most 100000 characters. The body is then `{ query, variables }` with the usual body as the variables, and `data` of the answer is the result.',
    }),
    sendDocuments: t.boolean({
      defaultValue: true,
      description: "Whether the content of the item's documents is in the body.",
    }),
    connectTimeoutMs: t.int({ defaultValue: 10_000, description: 'How long connecting may take, in ms, 100-120000.' }),
    headersTimeoutMs: t.int({
      defaultValue: 300_000,
      description: `How long the answer may take to begin, in ms, 100-${itemTimeoutMs.max}; the item's timeout may end it before.`,
    }),
    bodyTimeoutMs: t.int({
      defaultValue: 60_000,
      description: `How long the answer may pause, in ms, 100-${itemTimeoutMs.max}.`,
    }),
    connections: t.int({
      defaultValue: agentConnections.default,
      description: `Connections that one node keeps to it, ${agentConnections.min}-${agentConnections.max}; further calls wait for one.`,
    }),
    maxRedirects: t.int({
      defaultValue: agentRedirects.default,
      description: `How many redirects are followed, ${agentRedirects.min}-${agentRedirects.max}.`,
    }),
    maxRequestBytes: t.int({
      defaultValue: agentRequestBytes.default,
      description: `How long the body of a call may be, in bytes, ${agentRequestBytes.min}-${agentRequestBytes.max}; an item that needs more fails.`,
    }),
    maxResponseBytes: t.int({
      defaultValue: resultBytes,
      description: `How long an answer may be, in bytes, 1024-${resultBytes}; a longer one fails the item.`,
    }),
  }),
});

export const AgentConfigInput = builder.inputType('AgentConfigInput', {
  description: 'What an agent is made of: exactly one kind.',
  isOneOf: true,
  fields: (t) => ({
    http: t.field({ type: HttpAgentConfigInput, description: 'An HTTP endpoint.' }),
    chat: t.field({ type: ChatAgentConfigInput, description: 'A chat model.' }),
  }),
});
