/** How far an execution is, from its row. */
import { describe, expect, test } from 'vitest';
import type { Execution } from '../../src/domain/model.ts';
import { progressOf } from '../../src/domain/progress.ts';

const OPENED = new Date(Date.UTC(2026, 0, 31));
const later = (ms: number) => new Date(OPENED.getTime() + ms);

const execution = (columns: Partial<Execution>): Execution =>
  ({
    ...{
      status: 'RUNNING',
      sealedAt: OPENED,
      roundOpenedAt: OPENED,
      roundClosedBase: 0,
      endedAt: null,
      lastActivityAt: OPENED,
    },
    spec: { tiers: [{}] },
    ...{ total: 0, queued: 0, running: 0, retrying: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 },
    ...columns,
  }) as Execution;

describe('percent', () => {
  test('is of the items that have ended, in whatever way', () => {
    const row = execution({
      total: 8,
      queued: 1,
      running: 1,
      retrying: 1,
      succeeded: 2,
      failed: 1,
      cancelled: 1,
      expired: 1,
    });
    expect(progressOf(row, later(1)).percent).toBe(62.5);
  });

  test('is 100 only when every item has ended', () => {
    expect(progressOf(execution({ total: 1_000_000, succeeded: 999_999, running: 1 }), later(1)).percent).toBe(99.99);
    expect(progressOf(execution({ total: 1_000_000, succeeded: 1_000_000 }), later(1)).percent).toBe(100);
  });

  test('of no items is 0 until the execution has ended', () => {
    expect(progressOf(execution({ status: 'PREPARING' }), later(1)).percent).toBe(0);
    expect(progressOf(execution({ status: 'COMPLETED', endedAt: later(1) }), later(1)).percent).toBe(100);
  });
});

describe('the rate', () => {
  test('is null until an item is closed in the round', () => {
    const row = execution({ total: 10, failed: 4, queued: 6, roundClosedBase: 4, round: 1 });
    expect(progressOf(row, later(5_000))).toMatchObject({ itemsPerSecond: null, estimatedEndAt: null });
  });

  test('counts what the round closed, over its time, and tells when the rest closes', () => {
    const row = execution({ total: 34, succeeded: 14, queued: 20, roundClosedBase: 4 });
    expect(progressOf(row, later(5_000))).toMatchObject({ itemsPerSecond: 2, estimatedEndAt: later(15_000) });
  });

  test('of an execution that has ended stays as it was at its end', () => {
    const row = execution({ status: 'COMPLETED', total: 10, succeeded: 10, endedAt: later(5_000) });
    expect(progressOf(row, later(60_000))).toMatchObject({ itemsPerSecond: 2, estimatedEndAt: null });
  });

  test.each([{ status: 'PAUSED' }, { status: 'CANCELLING' }, { status: 'RUNNING', sealedAt: null }] as const)(
    'tells no end while it is %o',
    (columns) => {
      const row = execution({ total: 4, succeeded: 2, queued: 2, ...columns });
      expect(progressOf(row, later(1_000))).toMatchObject({ itemsPerSecond: 2, estimatedEndAt: null });
    },
  );

  test('tells no end that no calendar holds', () => {
    const row = execution({ total: 2_000_000_000, succeeded: 1, queued: 1_999_999_999 });
    expect(progressOf(row, later(86_400_000)).estimatedEndAt).toBeNull();
  });

  test('is null where no time has passed, also when the clock was set back', () => {
    const row = execution({ total: 2, succeeded: 1, queued: 1 });
    for (const ms of [0, -5]) expect(progressOf(row, later(ms)).itemsPerSecond).toBeNull();
  });
});

test('the current tier is the first that items are open in', () => {
  const spec = { tiers: [{}, {}, {}] } as unknown as Execution['spec'];
  const tierOf = (columns: Partial<Execution>) => progressOf(execution(columns), later(1)).currentTier;
  // Of the later tiers: queued, running, retrying, succeeded, failed, cancelled, expired.
  const later12 = [0, 1, 0, 0, 0, 0, 0, ...[1, 0, 0, 0, 0, 0, 0]];
  expect(tierOf({ spec, total: 2, queued: 1, running: 1, tierCounts: later12 })).toBe(1);
  expect(tierOf({ spec, total: 3, queued: 2, running: 1, tierCounts: later12 })).toBe(0);
  expect(tierOf({ total: 1, running: 1, tierCounts: null })).toBe(0);
  expect(tierOf({ total: 1, succeeded: 1, tierCounts: null })).toBeNull();
});
