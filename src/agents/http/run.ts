/** The code of an http agent: one POST for each call. */
import type { AgentContext, AgentRun } from '../../domain/agent-context.ts';
import { createRedactor, type Redactor } from '../redact.ts';
import { resolveText } from '../secret-text.ts';
import type { StoredAgentDeps } from '../stored-agent.ts';
import { readAnswer } from './answer.ts';
import type { HttpAgentConfig } from './config.ts';
import { connectionError } from './http-error.ts';
import { requestBody } from './request-body.ts';

/** What an http agent is made with. */
export type HttpDeps = Pick<StoredAgentDeps, 'secrets' | 'openFetch' | 'now'>;

/** The run function of an http agent; its connections are kept from call to call. */
export function makeHttpRun(config: HttpAgentConfig, deps: HttpDeps): AgentRun {
  const { url, connections, connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, maxRedirects } = config;
  const fetch = deps.openFetch({ connections, connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, maxRedirects });
  return async (context: AgentContext) => {
    const { headers, redactor } = await headersOf(config, context, deps);
    const body = await requestBody(config, context);
    try {
      const response = await fetch(url, { method: 'POST', headers, body, signal: context.signal });
      return await readAnswer(response, { config, redactor, now: deps.now });
    } catch (error) {
      context.signal.throwIfAborted();
      throw connectionError(error, redactor);
    }
  };
}

async function headersOf(
  config: HttpAgentConfig,
  { idempotencyKey }: AgentContext,
  deps: HttpDeps,
): Promise<{ headers: Headers; redactor: Redactor }> {
  const headers = new Headers({ accept: 'application/json, text/*;q=0.9, */*;q=0.1', 'user-agent': 'batchyard' });
  const used: string[] = [];
  const noted = async (name: string): Promise<string> => {
    const value = await deps.secrets(name);
    used.push(value);
    return value;
  };
  for (const { name, value } of config.headers) headers.set(name, await resolveText(value, noted));
  headers.set('content-type', 'application/json');
  headers.set('idempotency-key', idempotencyKey);
  return { headers, redactor: createRedactor(used) };
}
