/** What an http agent is made of: where items are posted to, with what, and how long it may take. */
import { z } from 'zod';
import { LIMITS } from '../../domain/limits.ts';
import { urlProblem } from '../net/outgoing-url.ts';
import { secretText } from '../secret-text.ts';

const { agentConnections, agentHeaders, agentRedirects, agentRequestBytes, itemTimeoutMs, resultBytes } = LIMITS;

/** The times of a call, in ms. */
export const HTTP_TIMES = {
  connectTimeoutMs: { min: 100, max: 120_000, default: 10_000 },
  headersTimeoutMs: { min: 100, max: itemTimeoutMs.max, default: 300_000 },
  bodyTimeoutMs: { min: 100, max: itemTimeoutMs.max, default: 60_000 },
} as const;
const GRAPHQL_LENGTH = 100_000;

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
/** Headers that belong to the connection, to the body, or to the call itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set(
  (
    'accept-encoding connection content-encoding content-length content-type expect host idempotency-key keep-alive ' +
    'proxy-authorization te trailer transfer-encoding upgrade'
  ).split(' '),
);

const target = z
  .string()
  .max(2_000)
  .superRefine((text, ctx) => {
    const url = URL.parse(text);
    const problem = url === null ? 'is not a URL' : urlProblem(url);
    if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
  });

const header = z.strictObject({
  name: z
    .string()
    .regex(HEADER_NAME, 'is no name of a header')
    .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), 'is set by the service itself'),
  value: secretText,
});

const ranged = ({ min, max, default: fallback }: { min: number; max: number; default: number }) =>
  z
    .int()
    .min(min)
    .max(max)
    .nullish()
    .transform((value) => value ?? fallback);

/** The config of an http agent, with the defaults for what is absent. */
export const HttpAgentConfig = z.strictObject({
  url: target,
  headers: z
    .array(header)
    .max(agentHeaders)
    .refine(
      (headers) => new Set(headers.map(({ name }) => name.toLowerCase())).size === headers.length,
      'has two headers of one name',
    )
    .nullish()
    .transform((headers) => headers ?? []),
  graphql: z
    .string()
    .min(1)
    .max(GRAPHQL_LENGTH)
    .nullish()
    .transform((query) => query ?? null),
  sendDocuments: z
    .boolean()
    .nullish()
    .transform((send) => send ?? true),
  connectTimeoutMs: ranged(HTTP_TIMES.connectTimeoutMs),
  headersTimeoutMs: ranged(HTTP_TIMES.headersTimeoutMs),
  bodyTimeoutMs: ranged(HTTP_TIMES.bodyTimeoutMs),
  connections: ranged(agentConnections),
  maxRedirects: ranged(agentRedirects),
  maxRequestBytes: ranged(agentRequestBytes),
  maxResponseBytes: ranged({ min: 1_024, max: resultBytes, default: resultBytes }),
});
export type HttpAgentConfig = z.output<typeof HttpAgentConfig>;
