/** A process that calls a module agent once, prints what it answered, and leaves its threads as they are. */
import { AgentThreads } from '../../src/agents/threads/agent-threads.ts';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { checkResult } from '../../src/domain/agent-result.ts';

const [, , url = ''] = process.argv;
const run = new AgentThreads({ threads: 2 }).runner({ versionId: 'v', name: 'a', url: () => Promise.resolve(url) });
const context = { item: { documents: [] }, signal: new AbortController().signal, idempotencyKey: 'key' };
const check = checkResult(await run(context as unknown as AgentContext));
console.log(check.ok ? check.result.data : check.error.code);
