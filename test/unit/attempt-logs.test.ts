import { expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { AttemptLogs } from '../../src/engine/attempt-logs.ts';
import type { Clock, LaneStore, LogLine } from '../../src/engine/ports.ts';
import { until } from '../support/until.ts';

const attempt = (ordinal: number) => ({ executionId: 'exec', ordinal, tier: 0, round: 0, attempt: 1 });

/** Logs over a store of the test's own, whose timers run at once. */
function logsOver(append: (lines: readonly LogLine[]) => Promise<void>) {
  const clock: Clock = {
    now: () => new Date(0),
    after: (_ms, callback) => {
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
  const store = { appendLogs: append, refusedData: (error: unknown) => error === 'refused' };
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };
  return new AttemptLogs({ store: store as unknown as LaneStore, clock, log });
}

test('lines that the database could not take are written later, in their order and once', async () => {
  const written: string[] = [];
  let fails = 2;
  const logs = logsOver(async (lines) => {
    await Promise.resolve();
    fails -= 1;
    if (fails >= 0) throw new Error('away');
    written.push(...lines.map((line) => line.message));
  });
  const say = logs.open(attempt(0));
  for (let n = 0; n < 5; n += 1) say(`line ${n}`);
  await until(() => written.length > 0);
  say('line 5');
  await until(() => written.length === 6);
  expect(written).toEqual([0, 1, 2, 3, 4, 5].map((n) => `line ${n}`));
});

test('lines that the database refuses are given up, and later ones are written', async () => {
  const written: string[] = [];
  const logs = logsOver(async (lines) => {
    await Promise.resolve();
    if (lines.some((line) => line.message === 'bad')) throw 'refused';
    written.push(...lines.map((line) => line.message));
  });
  logs.open(attempt(0))('bad');
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  logs.open(attempt(1))('good');
  await until(() => written.length === 1);
  expect(written).toEqual(['good']);
});

test('while the database is away memory is bounded, and what was left out is counted', async () => {
  let away = true;
  const written: LogLine[] = [];
  const logs = logsOver(async (lines) => {
    await Promise.resolve();
    if (away) throw new Error('away');
    written.push(...lines);
  });
  const attempts = 150;
  for (let ordinal = 0; ordinal < attempts; ordinal += 1) {
    const say = logs.open(attempt(ordinal));
    for (let n = 0; n < LIMITS.logLines; n += 1) say('x');
  }
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  away = false;
  await until(() => written.reduce((sum, { dropped }) => sum + dropped, 0) > 0);
  await logs.stop(1_000);
  const said = written.filter(({ dropped }) => dropped === 0).length;
  expect(said).toBeLessThanOrEqual(21_000);
  expect(said + written.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(attempts * LIMITS.logLines);
});

test('a stop writes what waits, and waits for a database that is away no longer than it may', async () => {
  const written: string[] = [];
  const logs = logsOver(async (lines) => {
    written.push(...lines.map((line) => line.message));
    await Promise.resolve();
  });
  const say = logs.open(attempt(0));
  for (let n = 0; n < LIMITS.logLines + 3; n += 1) say('x');
  await logs.stop(1_000);
  expect(written).toHaveLength(LIMITS.logLines + 1);
  expect(written.at(-1)).toBe('3 more lines were not kept.');
  const hanging = logsOver(() => new Promise(() => undefined));
  hanging.open(attempt(0))('x');
  await hanging.stop(10);
});
