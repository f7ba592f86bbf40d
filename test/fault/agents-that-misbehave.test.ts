/** Agents of any kind: what they do ends their own items in bounded time, and harms nothing else. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { until } from '../support/until.ts';

const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
/** Every question to it throws. */
const hostile = (): object =>
  new Proxy(
    {},
    {
      get: (_target, name) => {
        // A promise resolution asks for `then` first: let it pass, or it is only a rejection.
        if (name === 'then') return undefined;
        throw new Error('no get');
      },
      ownKeys: () => {
        throw new Error('no keys');
      },
      getOwnPropertyDescriptor: () => {
        throw new Error('no descriptor');
      },
      getPrototypeOf: () => {
        throw new Error('no prototype');
      },
      has: () => {
        throw new Error('no has');
      },
    },
  );
const thrown = (message: string): never => {
  throw new Error(message);
};
const throws =
  (make: () => unknown): AgentRun =>
  () => {
    throw make();
  };
const thenable = (then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void): unknown => ({
  // oxlint-disable-next-line unicorn/no-thenable -- what is tested
  then,
});

/** What an agent does, and how its item ends. */
const RUBBISH: readonly [name: string, run: AgentRun, status: 'SUCCEEDED' | 'FAILED', code: string | null][] = [
  ['nothing', () => undefined, 'SUCCEEDED', null],
  ['a function', () => () => 1, 'FAILED', 'result_not_json'],
  ['a symbol', () => Symbol('x'), 'FAILED', 'result_not_json'],
  ['a bigint', () => 1n, 'FAILED', 'result_not_json'],
  ['a cycle', () => cyclic, 'FAILED', 'result_not_json'],
  [
    'a getter that throws',
    () => ({
      get data() {
        throw new Error('no');
      },
    }),
    'FAILED',
    'result_not_json',
  ],
  [
    'a toJSON that throws',
    () => ({
      toJSON: () => {
        throw new Error('no');
      },
    }),
    'FAILED',
    'result_not_json',
  ],
  [
    'an envelope whose data throws',
    () => ({
      artifacts: [],
      get data() {
        throw new Error('no');
      },
    }),
    'FAILED',
    'result_not_json',
  ],
  // oxlint-disable-next-line unicorn/no-thenable -- what is tested
  ['a then that throws', () => Object.defineProperty({}, 'then', { get: () => thrown('no then') }), 'FAILED', 'Error'],
  ['a revoked proxy', revoked, 'FAILED', null],
  ['a proxy that throws at every question', hostile, 'FAILED', null],
  ['NaN', () => Number.NaN, 'SUCCEEDED', null],
  ['a NUL', () => 'a\u0000b', 'FAILED', 'result_nul_character'],
  ['half a surrogate pair', () => '\ud800', 'FAILED', 'result_lone_surrogate'],
  ['a nest of 100,000 lists', () => JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown, 'FAILED', null],
  ['a text of 100 MB', () => 'x'.repeat(100_000_000), 'FAILED', 'result_too_large'],
  [
    'an artifact of 100 MB',
    () => ({ artifacts: [{ filename: 'a', content: Buffer.alloc(100_000_000) }] }),
    'FAILED',
    'result_too_large',
  ],
  ['a promise that never settles', () => new Promise(() => undefined), 'FAILED', 'timeout'],
  ['a thenable that never settles', () => thenable(() => undefined), 'FAILED', 'timeout'],
  [
    'a thenable that settles twice',
    () =>
      thenable((resolve, reject) => {
        resolve('first');
        resolve('second');
        reject(new Error('third'));
      }),
    'SUCCEEDED',
    null,
  ],
  [
    'a thenable that throws once it has settled',
    () =>
      thenable((resolve) => {
        resolve('first');
        throw new Error('late');
      }),
    'SUCCEEDED',
    null,
  ],
  [
    'a thenable that resolves with itself again and again',
    () =>
      thenable((resolve) => {
        resolve(thenable((again) => again('deep')));
      }),
    'SUCCEEDED',
    null,
  ],
  ['a synchronous throw', throws(() => new Error('no')), 'FAILED', 'Error'],
  ['a throw of nothing', throws(() => undefined), 'FAILED', null],
  ['a throw of a symbol', throws(() => Symbol('x')), 'FAILED', null],
  ['a throw of a function', throws(() => () => 1), 'FAILED', null],
  ['a throw of a revoked proxy', throws(revoked), 'FAILED', null],
  ['a throw of a proxy that throws', throws(hostile), 'FAILED', null],
  [
    'a throw with getters that throw',
    throws(() =>
      Object.defineProperty(new Error('x'), 'code', {
        get: () => {
          throw new Error('no');
        },
      }),
    ),
    'FAILED',
    null,
  ],
  ['a throw with a message of 100 MB', throws(() => new Error('x'.repeat(100_000_000))), 'FAILED', 'Error'],
  ['a throw with a NUL in its message', throws(() => new Error('a\u0000b')), 'FAILED', 'Error'],
  [
    'a throw with details that cannot be stored',
    throws(() => Object.assign(new Error('x'), { details: cyclic })),
    'FAILED',
    'Error',
  ],
  [
    'a throw with a code of no kind',
    throws(() =>
      Object.assign(new Error('x'), { code: {}, status: 'x', category: 7, transient: 'no', retryAfterMs: -1 }),
    ),
    'FAILED',
    'Error',
  ],
];

describeDatabases('an agent that answers', (open) => {
  let db: Db;
  let harness: Harness;
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
    process.on('unhandledRejection', note);
  });
  afterAll(async () => {
    await harness.engine.stop();
    process.off('unhandledRejection', note);
  });

  test('rubbish of each kind ends its own item, and the items beside it are fine', async () => {
    // Every second item is a good one.
    const id = await harness.create(
      RUBBISH.length * 2,
      (context) => {
        const [, run] = RUBBISH[context.item.ordinal >> 1] ?? [];
        return context.item.ordinal % 2 === 0 && run !== undefined ? run(context) : context.item.ordinal;
      },
      { concurrency: 20, retryLimit: 0, itemTimeoutMs: 1_500 },
    );
    const ended = await harness.ended(id, 40_000);
    await checkEnded(db, id);
    expect(ended.status).toBe('COMPLETED_WITH_ERRORS');
    const items = await db
      .selectFrom('everyItem')
      .select(['ordinal', 'status', 'errorCode'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
    const ends = RUBBISH.map(([name, , status, code], index) => {
      const item = items[index * 2];
      return {
        name,
        status: item?.status,
        code: code === null ? null : (item?.errorCode ?? null),
        expected: { status, code },
      };
    });
    expect(ends.filter(({ status, code, expected }) => status !== expected.status || code !== expected.code)).toEqual(
      [],
    );
    expect(items.filter(({ ordinal, status }) => ordinal % 2 === 1 && status !== 'SUCCEEDED')).toEqual([]);
    expect(unhandled).toEqual([]);
  }, 90_000);

  test('nothing, for ever and deaf to its abort: a cancel ends the execution, and its slots come back with the call', async () => {
    // The calls of other tests that never settle keep theirs.
    const others = harness.engine.running;
    const held: (() => void)[] = [];
    const id = await harness.create(50, () => new Promise<void>((resolve) => held.push(resolve)), {
      concurrency: 4,
      retryLimit: 0,
      itemTimeoutMs: 100,
    });
    await until(async () => (await harness.read(id)).failed === 4);
    // The calls that time out keep their slots: no more than four ever run.
    expect(held.length).toBe(4);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', failed: 4, cancelled: 46 });
    await checkEnded(db, id);
    for (const end of held) end();
    await until(() => harness.engine.busy === 0 && harness.engine.running === others);
  });

  test('100 MB each time: memory is as before once they have ended', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const memory = (): number => {
      collect();
      return process.memoryUsage().rss;
    };
    const round = async (): Promise<void> => {
      const id = await harness.create(12, () => 'x'.repeat(100_000_000), { concurrency: 2, retryLimit: 0 });
      expect(await harness.ended(id)).toMatchObject({ status: 'FAILED', failed: 12 });
    };
    await round();
    const before = memory();
    await round();
    const growth = (memory() - before) / 1e6;
    expect(growth).toBeLessThan(350);
  }, 90_000);
});
