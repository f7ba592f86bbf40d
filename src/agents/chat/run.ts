/**
 * Calls any endpoint of the OpenAI API's shape for one item, through the official client.
 *
 * The client makes one call and no more: retries are the engine's, which knows the budget, the storm and Retry-After.
 */
import OpenAI from 'openai';
import type { AgentContext, AgentRun } from '../../domain/agent-context.ts';
import type { AgentResult } from '../contract.ts';
import { type AnswerFormat, readAnswer } from './answer.ts';
import { compileAnswerSchema } from './answer-schema.ts';
import { callError, modelUnavailable } from './call-error.ts';
import { ChatError } from './chat-error.ts';
import { type ChatAgentConfig, withTierConfig } from './config.ts';
import { messagesOf } from './messages.ts';
import { requestBody } from './request.ts';
import { type Fetch, redactor, transport } from './transport.ts';

/** What a chat agent's calls are made with. */
export interface ChatDeps {
  /** The value of a secret of the agent's project. Throws when there is none. */
  readonly secret: (name: string) => Promise<string>;
  readonly fetch: Fetch;
}

/** The run function of a chat agent. What it throws is a ChatError, or the item's own error of reading its content. */
export function makeChatRun(config: ChatAgentConfig, deps: ChatDeps): AgentRun {
  const formats = new AnswerFormats();
  return async (context): Promise<AgentResult> => {
    const merged = withTierConfig(config, context.config);
    const format = formats.of(merged);
    const messages = await messagesOf(merged, context);
    const endpoint = await openEndpoint(merged, deps, context);
    const models = [merged.model, ...merged.fallbackModels];
    for (const [index, model] of models.entries()) {
      try {
        return readAnswer(await endpoint(requestBody(merged, model, messages), index), model, format);
      } catch (thrown) {
        if (context.signal.aborted) throw context.signal.reason;
        const error = callError(thrown, model, merged.timeoutMs);
        if (index === models.length - 1 || !modelUnavailable(error)) throw error;
        context.log(`The model ${model} is not available, ${models[index + 1]} is asked.`);
      }
    }
    throw new ChatError('DEPENDENCY', 'model_not_found', 'The agent names no model.', { stage: 'call' });
  };
}

/** Makes the call that the request body describes; `no` counts the models that were asked before. */
type Endpoint = (body: ReturnType<typeof requestBody>, no: number) => Promise<unknown>;

async function openEndpoint(
  config: ChatAgentConfig,
  { secret, fetch }: ChatDeps,
  context: AgentContext,
): Promise<Endpoint> {
  const secrets: string[] = [];
  const open = async (value: string | { readonly secret: string }): Promise<string> => {
    if (typeof value === 'string') return value;
    const opened = await secret(value.secret);
    secrets.push(opened);
    return opened;
  };
  const headers: Record<string, string> = {};
  if (config.apiKey !== undefined) headers['authorization'] = `Bearer ${await open(config.apiKey)}`;
  if (config.organization !== undefined) headers['openai-organization'] = config.organization;
  for (const [name, value] of Object.entries(config.headers)) headers[name.toLowerCase()] = await open(value);
  const redact = redactor(secrets);

  return async (body, no) => {
    // Another model is another request: an endpoint that knows the key would refuse it with another body.
    const idempotencyKey = no === 0 ? context.idempotencyKey : `${context.idempotencyKey}:${no}`;
    const client = new OpenAI({
      // Every setting is given, or the client would take the operator's from the environment. The transport sends
      // the headers, so that the key here is only there because the client insists on one.
      ...{ baseURL: config.baseURL, apiKey: 'unused', adminAPIKey: null, organization: null, project: null },
      ...{ webhookSecret: null, logLevel: 'off', maxRetries: 0, timeout: config.timeoutMs },
      fetch: transport(fetch, { ...headers, 'idempotency-key': idempotencyKey }, redact),
    });
    return await client.chat.completions.create(body, { signal: context.signal });
  };
}

/** How answers of a config are read; a schema is compiled once, for the agent's own and for each that tiers bring. */
class AnswerFormats {
  readonly #compiled = new Map<string, AnswerFormat>();

  of({ responseFormat }: ChatAgentConfig): AnswerFormat {
    if (responseFormat === undefined || responseFormat === 'text') return 'text';
    if (responseFormat === 'json') return { check: () => [] };
    const key = JSON.stringify(responseFormat.schema);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const format: AnswerFormat = { check: compileAnswerSchema(responseFormat.schema) };
    // Tiers of many executions may bring schemas, each its own.
    if (this.#compiled.size >= 20) this.#compiled.clear();
    this.#compiled.set(key, format);
    return format;
  }
}
