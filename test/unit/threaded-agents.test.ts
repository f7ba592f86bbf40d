import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Suspects } from '../../src/agents/threads/suspects.ts';
import type { AgentContext, AgentRun } from '../../src/domain/agent-context.ts';
import { checkResult } from '../../src/domain/agent-result.ts';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { agentContext, dataOf, moduleUrl, threadedRun, threadPool } from '../support/threaded-agents.ts';
import { until } from '../support/until.ts';

/** The same module called in this thread and in another. */
async function both(source: string): Promise<Record<'inline' | 'threaded', AgentRun>> {
  const url = moduleUrl(source);
  const { default: inline } = (await import(url)) as { default: AgentRun };
  const threaded = threadPool({ threads: 1 }).runner({ versionId: url, name: 'both', url: () => Promise.resolve(url) });
  return { inline, threaded };
}
const thrownBy = async (answer: unknown): Promise<unknown> =>
  await Promise.resolve(answer).then(
    () => expect.unreachable('It must throw.'),
    (thrown: unknown) => thrown,
  );

test('whatever an agent returns is stored, or refused, as if it had run inline', async () => {
  const source = `
    class Money { constructor(cents) { this.cents = cents; } toJSON() { return { cents: this.cents }; } }
    const ring = {}; ring.ring = ring;
    const cases = {
      undefined: () => undefined, null: () => null, text: () => 'ä€𝄞', number: () => 1.5, nan: () => NaN,
      date: () => new Date(0), money: () => new Money(5), map: () => new Map([[1, 2]]), method: () => ({ a: 1, b() {} }),
      function: () => () => 1, bigint: () => 10n, ring: () => ring, nul: () => 'a\\u0000', half: () => '\\ud800',
      getter: () => ({ get a() { throw new Error('no'); } }), promise: async () => ({ later: true }),
      deep: () => JSON.parse('['.repeat(80) + ']'.repeat(80)), large: () => 'x'.repeat(11_000_000),
      envelope: () => ({ data: 1, fieldErrors: [{ path: '/a', code: 'c', message: 'm' }] }),
      bytes: () => ({ data: 1, artifacts: [{ filename: 'a', content: new Uint8Array([1, 2]) }, { filename: 'b', text: 'x' }] }),
      badArtifact: () => ({ data: 1, artifacts: [{ filename: 'a' }] }), frozen: () => Object.freeze([1]),
    };
    export const names = Object.keys(cases);
    export default ({ config }) => cases[config]();`;
  const { names } = (await import(moduleUrl(source))) as { names: string[] };
  const { inline, threaded } = await both(source);
  for (const config of names) {
    const context = agentContext({ config });
    expect.soft(checkResult(await threaded(context)), config).toEqual(checkResult(await inline(context)));
  }
  expect(names.length).toBeGreaterThan(20);
});

test('whatever an agent throws is classified as if it had run inline', async () => {
  const source = `
    const own = (fields, message = 'own') => Object.assign(new Error(message), fields);
    class Hostile extends Error { get code() { throw new Error('no'); } get category() { return 'NETWORK'; } }
    const cases = {
      plain: () => new TypeError('bad'), empty: () => new Error(''), text: () => 'a text', number: () => 5, undefined: () => undefined,
      null: () => null, symbol: () => Symbol('s'), function: () => () => 1, object: () => ({ message: 'm', code: 'c' }), bare: () => ({}),
      category: () => own({ category: 'RATE_LIMIT', retryAfterMs: 1500 }), permanent: () => own({ category: 'NETWORK', transient: false }),
      transient: () => own({ transient: true, code: 'try_again' }), status: () => own({ status: 503 }), statusCode: () => own({ statusCode: 404 }),
      code: () => own({ code: 'ECONNREFUSED' }), cause: () => new Error('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ENOTFOUND' }) }),
      timeout: () => new DOMException('late', 'TimeoutError'), abort: () => new DOMException('stop', 'AbortError'), zod: () => own({ name: 'ZodError' }),
      details: () => own({ details: { path: ['a', 1], at: new Date(0), call() {} } }), nul: () => own({ details: 'a\\u0000', code: 'n\\u0000' }),
      numeric: () => own({ code: 42 }), long: () => own({ code: 'c'.repeat(500) }, 'm'.repeat(5000)), badCategory: () => own({ category: 'ODD', status: 429 }),
      hostile: () => new Hostile('h'), origin: () => own({ component: 'parser', stage: 'read', recovery: 'Try again.' }),
      usage: () => own({ usage: { inputTokens: 3, outputTokens: 1, model: 'm' } }), stackless: () => own({ stack: undefined }), retryAfter: () => own({ status: 429, retryAfterMs: Infinity }),
    };
    export const names = Object.keys(cases);
    export default async ({ config }) => { throw cases[config](); };`;
  const { names } = (await import(moduleUrl(source))) as { names: string[] };
  const { inline, threaded } = await both(source);
  for (const config of names) {
    const [here, there] = [
      await thrownBy(inline(agentContext({ config }))),
      await thrownBy(threaded(agentContext({ config }))),
    ];
    const [known, own] = [classifyThrown(there), classifyThrown(here)];
    expect.soft({ ...known, trace: null }, config).toEqual({ ...own, trace: null });
    // The frames below the agent's own are another thread's.
    expect.soft(known.trace?.split('\n')[0], config).toBe(own.trace?.split('\n')[0]);
  }
  expect(names.length).toBeGreaterThan(25);
});

test('the context in a thread is the whole of it: content, documents, siblings, log', async () => {
  const { inline, threaded } = await both(`
    export default async (context) => {
      const { item, signal, log, ...rest } = context;
      const { text, bytes, json, exists, documents, ...plain } = item;
      log('said ' + item.filename);
      return {
        rest, plain, text: await text(), json: await json(), size: (await bytes()).byteLength, hex: (await bytes()).toString('hex'),
        documents: await Promise.all(documents.map(async (d) => [d.filename, d.mediaType, await d.text(), await d.json(), (await d.bytes()).length])),
        exists: [await exists('../logo.png'), await exists('gone'), await exists('/')], aborted: signal.aborted,
      };
    };`);
  const said: string[] = [];
  const document = (text: string) => ({ ...agentContext({}, text).item, filename: `${text}.json` });
  const item = {
    ...agentContext({}, '{"a":"ä"}').item,
    metadata: { deep: [1, null, 'x'] },
    documents: [document('{"a":"ä"}'), document('[2]')],
    exists: (asked: string) => Promise.resolve(asked === '/' ? null : asked.endsWith('.png')),
  };
  const context: AgentContext = {
    ...agentContext({
      config: { a: [1] },
      previous: { b: null },
      userMessage: 'please',
      tier: 1,
      round: 2,
      attempt: 3,
    }),
    ...{ item, log: (text: string) => said.push(text) },
  };
  const expected = await dataOf(inline(context));
  expect(await dataOf(threaded(context))).toEqual(expected);
  expect(expected).toMatchObject({
    text: '{"a":"ä"}',
    size: 10,
    exists: [true, false, null],
    rest: { tier: 1, attempt: 3 },
  });
  expect(said).toEqual(['said a.txt', 'said a.txt']);
});

test('what is logged in a thread comes with its level; of the lines that would not be kept only their number', async () => {
  const { threaded } = await both(`
    export default ({ log }) => { log('first', 'WARN'); log('second', 'INFO', 4); for (let n = 0; n < 298; n += 1) log('more'); };`);
  const said: unknown[][] = [];
  await threaded({ ...agentContext({}), log: (...line) => void said.push(line) });
  expect(said.slice(0, 3)).toEqual([
    ['first', 'WARN', 0],
    ['second', 'INFO', 4],
    ['more', 'INFO', 0],
  ]);
  // The last message is itself a line that is not kept.
  expect(said).toHaveLength(LIMITS.logLines + 1);
  expect(said.at(-1)?.[2]).toBe(300 - LIMITS.logLines - 1);
});

test('content that cannot be read is the same error to the agent and, when it lets it pass, to the item', async () => {
  const { inline, threaded } = await both(`
    export default async ({ item, config }) => {
      if (config !== 'catch') return await item.text();
      try { await item.json(); } catch ({ code, message, name }) { return { code, message, name }; }
    };`);
  const gone = Object.assign(new RangeError('It is gone.'), { code: 'gone', category: 'DEPENDENCY', transient: false });
  const fails = () => Promise.reject(gone);
  const item = { documents: [], text: fails, bytes: fails, json: fails };
  const caught = await dataOf(threaded(agentContext({ config: 'catch', item })));
  expect(caught).toEqual(await dataOf(inline(agentContext({ config: 'catch', item }))));
  const passed = classifyThrown(await thrownBy(threaded(agentContext({ item }))));
  expect(passed).toEqual(classifyThrown(await thrownBy(inline(agentContext({ item })))));
});

test('a document of megabytes arrives whole, and the original stays usable', async () => {
  const original = Buffer.alloc(5_000_000, 'abc');
  const bytes = () => Promise.resolve(original);
  const run = threadedRun(
    threadPool({ threads: 1 }),
    `import { createHash } from 'node:crypto';
     export default async ({ item }) => createHash('sha1').update(await item.bytes()).digest('hex');`,
  );
  const answers = [];
  // One after the other: what of the first had been moved away would be missing to the second.
  for (let turn = 0; turn < 2; turn += 1) {
    answers.push(await dataOf(run(agentContext({ item: { documents: [], bytes } }))));
  }
  expect(answers).toEqual(Array(2).fill(createHash('sha1').update(original).digest('hex')));
  expect(original.byteLength).toBe(5_000_000);
});

test('the signal in a thread aborts with the reason, and what is answered after that still counts', async () => {
  const run = threadedRun(
    threadPool({ threads: 1 }),
    `export default ({ signal, log, config }) => new Promise((resolve, reject) => {
       signal.addEventListener('abort', () => config === 'obeys' ? reject(signal.reason) : resolve(signal.reason.name + ': ' + signal.reason.message));
       log('started');
     });`,
  );
  const abort = async (config: string): Promise<unknown> => {
    const controller = new AbortController();
    const started = Promise.withResolvers<void>();
    const answer = run(agentContext({ config, signal: controller.signal, log: () => started.resolve() }));
    await started.promise;
    controller.abort(new DOMException('It took too long.', 'TimeoutError'));
    return await answer;
  };
  expect(await dataOf(abort('answers'))).toBe('TimeoutError: It took too long.');
  expect(await thrownBy(abort('obeys'))).toMatchObject({ name: 'TimeoutError', message: 'It took too long.' });
});

test('a call that is aborted before its thread could start it is never made', async () => {
  const run = threadedRun(threadPool({ threads: 1 }), `let made = 0; export default () => ++made;`);
  const controller = new AbortController();
  const waiting = thrownBy(run(agentContext({ signal: controller.signal })));
  controller.abort(new DOMException('Stop.', 'AbortError'));
  expect(await waiting).toMatchObject({ name: 'AbortError', message: 'Stop.' });
  expect(await dataOf(run(agentContext()))).toBe(1);
});

test('one thread runs many calls at once, and no more threads are used than there may be', async () => {
  const source = `
    import { threadId } from 'node:worker_threads';
    let waiting = 0; const open = Promise.withResolvers();
    export default async ({ config }) => {
      waiting += 1;
      if (waiting === config) open.resolve();
      await open.promise;
      return threadId;
    };`;
  const call = (run: AgentRun, config: number) =>
    Promise.all(Array.from({ length: 60 }, () => dataOf(run(agentContext({ config })))));
  expect(new Set(await call(threadedRun(threadPool({ threads: 1 }), source), 60)).size).toBe(1);
  const byThread = Map.groupBy(await call(threadedRun(threadPool({ threads: 3 }), source), 20), (id) => id);
  expect([...byThread.values()].map((calls) => calls.length)).toEqual([20, 20, 20]);
});

test('a context that cannot be sent is the error of its call alone', async () => {
  const run = threadedRun(threadPool({ threads: 1 }), `export default ({ config }) => config;`);
  const refused = thrownBy(run(agentContext({ config: () => 1 })));
  const others = [dataOf(run(agentContext({ config: 1 }))), dataOf(run(agentContext({ config: 2 })))];
  expect(await refused).toMatchObject({ name: 'DataCloneError' });
  expect(await Promise.all(others)).toEqual([1, 2]);
});

test('a module that cannot be imported is a permanent error, and is tried again by the next call', async () => {
  const url = moduleUrl(`throw new Error('no key');`);
  const good = moduleUrl(`export default () => 'good';`);
  let broken = true;
  const pool = threadPool({ threads: 1 });
  const run = pool.runner({ versionId: 'v', name: 'a', url: () => Promise.resolve(broken ? url : good) });
  expect(classifyThrown(await thrownBy(run(agentContext())))).toMatchObject({
    code: 'agent_unavailable',
    transient: false,
  });
  broken = false;
  expect(await dataOf(run(agentContext()))).toBe('good');
  const never = threadedRun(threadPool({ threads: 1, times: { importMs: 200 } }), 'await new Promise(() => {});');
  expect(await thrownBy(never(agentContext()))).toMatchObject({ code: 'agent_unavailable' });
});

test('stop ends every thread and call, and a call after it is refused, not asked to be made again', async () => {
  const pool = threadPool({ threads: 2 });
  const run = threadedRun(pool, `export default ({ log }) => { log('started'); return new Promise(() => {}); };`);
  const said: string[] = [];
  const calls = Array.from({ length: 4 }, () => thrownBy(run(agentContext({ log: (text) => said.push(text) }))));
  await until(() => said.length === 4);
  await pool.stop();
  for (const call of calls) expect(await call).toBeInstanceOf(AttemptInterrupted);
  expect(await thrownBy(run(agentContext()))).not.toBeInstanceOf(AttemptInterrupted);
});

test('suspects keep the order in which they were suspected and their deaths, and are bounded', () => {
  const suspects = new Suspects();
  for (const key of ['a', 'b', 'a']) suspects.add(key);
  expect(suspects.orderOf('a')).toBeLessThan(suspects.orderOf('b') ?? 0);
  expect([suspects.died('b'), suspects.died('b')]).toEqual([1, 2]);
  suspects.forget('b');
  expect(suspects.died('b')).toBe(1);
  for (let i = 0; i < 10_000; i += 1) suspects.add(`other-${i}`);
  expect(suspects.orderOf('a')).toBeNull();
  expect(suspects.orderOf('other-9999')).not.toBeNull();
});

test('a call finds nothing that another has entered into an AsyncLocalStorage', async () => {
  const run = threadedRun(
    threadPool({ threads: 1 }),
    `import { AsyncLocalStorage } from 'node:async_hooks';
     const storage = new AsyncLocalStorage();
     export default ({ config }) => {
       const found = storage.getStore() ?? null;
       storage.enterWith(config);
       return found;
     };`,
  );
  const found = await Promise.all([1, 2, 3, 4].map((config) => dataOf(run(agentContext({ config })))));
  expect(found).toEqual([null, null, null, null]);
});

test('calls that compute for a while hear of their abort in between, and their thread goes on', async () => {
  const deaths: unknown[] = [];
  const run = threadedRun(
    threadPool({ threads: 1, onDeath: (death) => deaths.push(death) }),
    `export default ({ signal, config: ms }) => {
       for (const end = performance.now() + ms; performance.now() < end; );
       return new Promise((resolve, reject) => {
         if (signal.aborted) reject(signal.reason);
         else signal.addEventListener('abort', () => reject(signal.reason));
       });
     };`,
  );
  const controller = new AbortController();
  const calls = Array.from({ length: 100 }, () => run(agentContext({ config: 20, signal: controller.signal })));
  const ends = Promise.allSettled(calls);
  setTimeout(() => controller.abort(new DOMException('Enough.', 'AbortError')), 300);
  // All of them would compute for two seconds.
  const statuses = (await ends).map(({ status }) => status);
  expect(statuses).toEqual(calls.map(() => 'rejected'));
  expect(deaths).toEqual([]);
});
