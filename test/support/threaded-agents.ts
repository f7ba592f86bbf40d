/** Module agents in threads, for tests that need no service. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { AgentThreads, type PoolOptions } from '../../src/agents/threads/agent-threads.ts';
import type { AgentContext, AgentItem, AgentRun } from '../../src/domain/agent-context.ts';
import { checkResult } from '../../src/domain/agent-result.ts';
import { temporaryFolder } from './data-folder.ts';

let modules = 0;
let keys = 0;

/** Threads that end with the test. */
export function threadPool(options: PoolOptions = {}): AgentThreads {
  const pool = new AgentThreads(options);
  onTestFinished(() => pool.stop());
  return pool;
}

/** The URL of a module with this text. */
export function moduleUrl(source: string): string {
  modules += 1;
  const file = path.join(temporaryFolder(), `agent-${modules}.mjs`);
  writeFileSync(file, source);
  return pathToFileURL(file).href;
}

/** The run function that calls a module of this text in the pool's threads. */
export function threadedRun(pool: AgentThreads, source: string): AgentRun {
  const url = moduleUrl(source);
  return pool.runner({ versionId: url, name: 'tested', url: () => Promise.resolve(url) });
}

/** The context of a call of its own item, whose one document is `text`. */
export function agentContext(
  { item, ...context }: Omit<Partial<AgentContext>, 'item'> & { readonly item?: Partial<AgentItem> } = {},
  text = 'a text',
): AgentContext {
  keys += 1;
  const content = {
    bytes: () => Promise.resolve(Buffer.from(text)),
    text: () => Promise.resolve(text),
    json: () => Promise.resolve(JSON.parse(text) as unknown),
  };
  return {
    ...{ previous: null, userMessage: null, config: {}, tier: 0, round: 0, attempt: 1 },
    signal: new AbortController().signal,
    idempotencyKey: `key-${keys}`,
    log: () => undefined,
    ...context,
    item: {
      ...{ ordinal: 0, dataElementId: 'element', filename: 'a.txt', mediaType: 'text/plain', metadata: {} },
      documents: [{ filename: 'a.txt', mediaType: 'text/plain', ...content }],
      ...content,
      exists: () => Promise.resolve(null),
      ...item,
    },
  };
}

/** The data that a call answers, as it would be stored; throws what the call throws, and a result that is refused. */
export async function dataOf(answer: unknown): Promise<unknown> {
  const check = checkResult(await answer);
  if (!check.ok) throw new Error(check.error.code);
  return JSON.parse(check.result.data);
}
