/** Calls of http agents without an engine around them: their answers, and their errors as the engine sees them. */
import type { LookupAddress } from 'node:dns';
import { expect } from 'vitest';
import { HttpAgentConfig } from '../../src/agents/http/config.ts';
import { makeHttpRun } from '../../src/agents/http/run.ts';
import { createOutgoing, type Outgoing } from '../../src/agents/net/outgoing.ts';
import type { AgentContext, AgentDocument } from '../../src/domain/agent-context.ts';
import { parseAllowedHost } from '../../src/domain/allowed-hosts.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { type EndpointHandler, type HttpEndpoint, startHttpEndpoint } from './http-endpoint.ts';

export const SECRET = 'tok/en"with+odd=characters';
export const NOW = new Date('2026-11-22T12:00:00Z');
const opened: { stop(): Promise<unknown> }[] = [];

/** For `afterEach`: stops what the test opened. */
export async function stopAll(): Promise<void> {
  for (const part of opened.splice(0).reverse()) await part.stop();
}

/** An endpoint that the test's end stops. */
export async function endpointOf(handler: EndpointHandler): Promise<HttpEndpoint> {
  const endpoint = await startHttpEndpoint(handler);
  opened.push(endpoint);
  return endpoint;
}

/** The way out to these hosts, on a network where only these names resolve. */
export function outgoingTo(allowed: readonly string[], names: Readonly<Record<string, string[]>> = {}): Outgoing {
  const entries = allowed.flatMap((text) => parseAllowedHost(text) ?? []);
  const outgoing = createOutgoing(entries, (hostname, callback) => {
    const addresses = (names[hostname] ?? []).map(
      (address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }),
    );
    const failed = Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' });
    callback(addresses.length === 0 ? failed : null, addresses);
  });
  opened.push(outgoing);
  return outgoing;
}

/** A document of an item. */
export function documentOf(filename: string, mediaType: string, bytes: Buffer): AgentDocument {
  const text = async () => bytes.toString('utf8');
  return { filename, mediaType, bytes: async () => bytes, text, json: async () => JSON.parse(await text()) };
}

/** What a run is called with; `parts` replace what is otherwise there. */
export function contextOf(parts: Partial<AgentContext> = {}, documents: readonly AgentDocument[] = []): AgentContext {
  const none = () => Promise.reject(new Error('is not asked'));
  const facts = { ordinal: 3, dataElementId: 'e-3', filename: 'a.txt', mediaType: 'text/plain', metadata: { k: 1 } };
  return {
    item: { ...facts, documents, text: none, bytes: none, json: none, exists: none },
    ...{ previous: { from: 'tier 0' }, userMessage: 'Be exact.', config: { size: 2 }, tier: 1, round: 0, attempt: 2 },
    ...{ signal: new AbortController().signal, idempotencyKey: 'exec_1:0:3:1', log: () => undefined },
    ...parts,
  };
}

/** What the agent of this config answers. */
export async function call(
  config: Record<string, unknown>,
  outgoing: Outgoing = outgoingTo(['127.0.0.1']),
  context = contextOf(),
): Promise<unknown> {
  const deps = { secrets: async () => SECRET, openFetch: outgoing.openFetch, now: () => NOW };
  return await makeHttpRun(HttpAgentConfig.parse(config), deps)(context);
}

/** What the engine makes of what a call throws; no secret may be in it, and nothing of this service's code. */
export async function errorOf(...args: Parameters<typeof call>) {
  const thrown = await call(...args).then(
    (value) => Promise.reject(new Error(`answered ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );
  const { details, ...error } = classifyThrown(thrown);
  expect(JSON.stringify([error, details])).not.toContain(SECRET.slice(0, 6));
  expect(error.trace).toBeNull();
  return { ...error, details: details === null ? null : JSON.parse(details) };
}

/** A config's header with a secret. */
export const withKey = { headers: [{ name: 'Authorization', value: { text: 'Bearer ', secret: 'key' } }] };
