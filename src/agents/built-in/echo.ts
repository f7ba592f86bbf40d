/** The agent that does nothing: it answers what it was called with, without reading any content. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentModule, ContextWith } from '../contract.ts';

interface EchoConfig {
  readonly delayMs?: number;
  readonly failRate?: number;
}

async function run(context: ContextWith<EchoConfig>): Promise<unknown> {
  const { item, previous, userMessage, config } = context;
  const { delayMs = 0, failRate = 0 } = config;
  // A signal is made when it is asked for.
  if (delayMs > 0) await delay(delayMs, undefined, { signal: context.signal });
  if (failRate > 0 && Math.random() < failRate) throw new EchoFailure();
  const { dataElementId, filename, mediaType, metadata } = item;
  return { dataElementId, filename, mediaType, metadata, previous, userMessage };
}

class EchoFailure extends Error {
  readonly code = 'echo_failure';
  readonly category = 'NETWORK';
  constructor() {
    super('This call failed because the config asks for failures.');
    this.name = 'EchoFailure';
  }
}

export default {
  description:
    'Answers what it was called with, and does nothing else: for trying things out and for measuring the service. ' +
    'Can wait and fail on purpose.',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      delayMs: {
        type: 'integer',
        minimum: 0,
        maximum: 600_000,
        description: 'How long each call takes, in ms; 0 by default.',
      },
      failRate: {
        type: 'number',
        minimum: 0,
        maximum: 1,
        description: 'The share of calls that fail with a transient error, drawn at random; 0 by default.',
      },
    },
  },
  threaded: false,
  run,
} satisfies AgentModule<EchoConfig>;
