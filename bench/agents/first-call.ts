/** Writes down when its process called it for the first time, and is done after a moment. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentModule, ContextWith } from 'batchyard/agent';

interface Config {
  /** Where to write it: ms since the epoch. */
  file?: string;
  delayMs?: number;
}

let called = false;

async function run({ config, signal }: ContextWith<Config>): Promise<null> {
  if (!called && config.file !== undefined) writeFileSync(config.file, String(Date.now()));
  called = true;
  if (config.delayMs) await delay(config.delayMs, undefined, { signal });
  return null;
}

export default {
  description: 'Writes down when its process called it for the first time.',
  threaded: false,
  run,
} satisfies AgentModule<Config>;
