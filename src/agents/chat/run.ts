/**
 * Calls any endpoint of the OpenAI API's shape for one item, through the official client.
 *
 * The client makes one call and no more: retries are the engine's, which knows the budget, the storm and Retry-After.
 */
import OpenAI from 'openai';
import type { AgentContext, AgentRun } from '../../domain/agent-context.ts';
import { CHAT_LIMITS } from '../../domain/chat-rules.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { AgentResult } from '../contract.ts';
import type { SafeFetch } from '../net/safe-fetch.ts';
import { createRedactor } from '../redact.ts';
import { resolveText } from '../secret-text.ts';
import type { CheckingAgentDeps, StoredAgentDeps } from '../stored-agent.ts';
import { type AnswerFormat, readAnswer } from './answer.ts';
import { callError, modelUnavailable } from './call-error.ts';
import { ChatError } from './chat-error.ts';
import type { ChatAgentConfig } from './config.ts';
import { messageMaker } from './messages.ts';
import { requestBody } from './request.ts';
import { transport } from './transport.ts';

/**
 * The run function of a chat agent; its connections are kept from call to call.
 *
 * It throws ChatErrors, and as they are: the errors of reading the item's content and of missing secrets.
 */
export function makeChatRun(config: ChatAgentConfig, deps: CheckingAgentDeps): AgentRun {
  const { connections, timeoutMs, model, fallbackModels } = config;
  const { connectTimeoutMs } = CHAT_LIMITS;
  const fetch = deps.openFetch({
    ...{ connections, connectTimeoutMs, headersTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs },
    maxRedirects: LIMITS.agentRedirects.default,
  });
  const format = formatOf(config, deps);
  const makeMessages = messageMaker(config);
  return async (context): Promise<AgentResult> => {
    const messages = await makeMessages(context);
    const call = await openEndpoint(config, fetch, deps.secrets, context);
    const models = [model, ...fallbackModels];
    for (const [index, asked] of models.entries()) {
      try {
        return await readAnswer(await call(requestBody(config, asked, messages), index), asked, format);
      } catch (thrown) {
        context.signal.throwIfAborted();
        const error = callError(thrown, { model: asked, timeoutMs, now: deps.now() });
        if (index === models.length - 1 || !modelUnavailable(error)) throw error;
        context.log(`The model ${asked} is not available, ${models[index + 1]} is asked.`);
      }
    }
    throw new ChatError('DEPENDENCY', 'model_not_found', 'The agent names no model.', { stage: 'call' });
  };
}

function formatOf({ responseFormat }: ChatAgentConfig, { outputs }: CheckingAgentDeps): AnswerFormat {
  if (responseFormat.type !== 'JSON_SCHEMA') return { type: responseFormat.type };
  // One object for all calls: the checker knows rules by their identity.
  const rules = { outputSchema: responseFormat.schema };
  return { type: 'JSON', misses: (text) => outputs.misses(rules, { data: text, artifacts: null }) };
}

/** Makes the call that the body describes; `no` counts the models that were asked before. */
type Endpoint = (body: ReturnType<typeof requestBody>, no: number) => Promise<unknown>;

async function openEndpoint(
  config: ChatAgentConfig,
  fetch: SafeFetch,
  secrets: StoredAgentDeps['secrets'],
  context: AgentContext,
): Promise<Endpoint> {
  const { apiKey, organization, baseURL, timeoutMs } = config;
  const used: string[] = [];
  const noted = async (name: string): Promise<string> => {
    const value = await secrets(name);
    used.push(value);
    return value;
  };
  const headers = new Headers({ accept: 'application/json', 'user-agent': 'batchyard' });
  if (apiKey !== null) headers.set('authorization', `Bearer ${await resolveText(apiKey, noted)}`);
  if (organization !== null) headers.set('openai-organization', organization);
  for (const { name, value } of config.headers) headers.set(name, await resolveText(value, noted));
  headers.set('content-type', 'application/json');
  const redactor = createRedactor(used);

  return async (body, no) => {
    const sent = new Headers(headers);
    // Another model is another request: an endpoint that knows the key would refuse it with another body.
    sent.set('idempotency-key', no === 0 ? context.idempotencyKey : `${context.idempotencyKey}:${no}`);
    const client = new OpenAI({
      // Every setting is given, or the client would take the operator's from the environment. The headers are the
      // transport's, so that the key here is only there because the client insists on one.
      ...{ baseURL, apiKey: 'unused', adminAPIKey: null, organization: null, project: null, webhookSecret: null },
      ...{ logLevel: 'off', maxRetries: 0, timeout: timeoutMs },
      fetch: transport(fetch, sent, redactor),
    });
    return await client.chat.completions.create(body, { signal: context.signal });
  };
}
