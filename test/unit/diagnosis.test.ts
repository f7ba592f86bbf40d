/** The verdict on an execution, from what is known of it. */
import { expect, test } from 'vitest';
import { diagnose } from '../../src/domain/diagnosis.ts';
import type { DiagnosisFacts, FailureGroup } from '../../src/domain/diagnosis-facts.ts';
import { infrastructureEvents } from '../../src/domain/infrastructure-events.ts';
import type { Execution } from '../../src/domain/model.ts';

const NOW = new Date('2026-11-22T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1_000);

function look(of: Partial<Execution>, known: Partial<DiagnosisFacts> = {}) {
  const counts = { total: 100, queued: 0, running: 0, retrying: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  const execution = {
    ...{ id: 'exec_1', status: 'RUNNING', ...counts, concurrency: 10, pauseReason: null, waitReason: null },
    ...{ waitUntil: null, deadlineAt: null, cancelMode: null, error: null, lastActivityAt: ago(1) },
    ...{ roundOpenedAt: ago(100), roundClosedBase: 0, endedAt: null, sealedAt: ago(100) },
    spec: { tiers: [{}], execution: { itemTimeoutMs: 60_000 } },
    ...of,
  } as Execution;
  const facts = {
    ...{ failures: [], nextAttemptAt: null, overdueCalls: 0, overdueSince: null, isOwned: true },
    ...{ takeovers: 0, takenOverAt: null, interruptedItems: 0, ...known },
  };
  const { health, blockedReason, stuckMs, failureCategory, recommendations, reason } = diagnose(execution, facts, NOW);
  const kinds = recommendations.map(({ kind }) => kind);
  return { verdict: [health, blockedReason, stuckMs], failureCategory, kinds, recommendations, reason };
}
const group = (rest: Partial<FailureGroup>): FailureGroup => ({
  ...{ category: 'RUNTIME', code: 'error', tier: 0, transient: false, count: 1 },
  ...rest,
});

test('what goes on is OK, also with a few failures', () => {
  expect(look({ running: 10, queued: 40, succeeded: 48, failed: 2 })).toMatchObject({
    verdict: ['OK', null, null],
    kinds: [],
  });
});

test.each([
  ['DRAFT', { status: 'DRAFT' }, 'SUBMIT'],
  ['PAUSED', { status: 'PAUSED', pauseReason: 'USER' }, 'RESUME'],
  ['SAMPLE', { status: 'PAUSED', pauseReason: 'SAMPLE' }, 'RESUME'],
  ['BUDGET', { status: 'PAUSED', pauseReason: 'BUDGET' }, 'RAISE_BUDGET'],
  ['AGENT_STORM', { status: 'PAUSED', pauseReason: 'AGENT_STORM' }, 'LOWER_CONCURRENCY'],
  ['AGENT_STORM', { waitReason: 'The agent a fails at most calls.', waitUntil: NOW }, 'WAIT'],
  ['BACKOFF', { retrying: 5, lastActivityAt: ago(3_000) }, 'WAIT'],
] as const)('%s is waited for, and what ends it is named', (blocked, columns, kind) => {
  const { verdict, kinds } = look(columns, { nextAttemptAt: new Date(NOW.getTime() + 1_000) });
  expect(verdict).toEqual(['WAITING', blocked, null]);
  expect(kinds[0]).toBe(kind);
});

test('calls that do not stop and hold every slot are what it is stuck at', () => {
  const of = { running: 0, queued: 50, lastActivityAt: ago(90) };
  const stuck = look(of, { overdueCalls: 10, overdueSince: ago(90) });
  expect(stuck).toMatchObject({ verdict: ['STUCK', 'OVERDUE_CALLS', 90_000], kinds: ['STOP_OVERDUE_CALLS', 'CANCEL'] });
  expect(look({ ...of, running: 5, lastActivityAt: NOW }, { overdueCalls: 5, overdueSince: ago(9) }).verdict).toEqual([
    'SLOW',
    null,
    null,
  ]);
});

test('what should move by itself and does not is stuck: without a node, or for longer than a call may take', () => {
  expect(look({ queued: 9, lastActivityAt: ago(40) }, { isOwned: false })).toMatchObject({
    ...{ verdict: ['STUCK', 'NO_NODE', 40_000], failureCategory: 'ORPHANED', kinds: ['START_NODE'] },
  });
  expect(look({ queued: 9, lastActivityAt: ago(20) }, { isOwned: false }).verdict[0]).toBe('OK');
  expect(look({ running: 9, lastActivityAt: ago(80) }).verdict[0]).toBe('OK');
  expect(look({ running: 9, lastActivityAt: ago(95) }).verdict).toEqual(['STUCK', 'NO_PROGRESS', 95_000]);
  expect(look({ status: 'CANCELLING', running: 1, lastActivityAt: ago(60) }).verdict).toEqual([
    'STUCK',
    'CANCELLING',
    60_000,
  ]);
  expect(look({ status: 'CANCELLING', cancelMode: 'DRAIN', lastActivityAt: ago(60) }).verdict[0]).toBe('WAITING');
});

test('a tenth of failed items is failing, and each cause has its remedy', () => {
  const failures = [
    group({ category: 'TIMEOUT', code: 'timeout', transient: true, count: 6 }),
    group({ category: 'VALIDATION', code: 'output_mismatch', count: 2 }),
    group({ category: 'AUTHENTICATION', code: 'http_401', count: 1 }),
  ];
  expect(look({ running: 1, succeeded: 80, failed: 9 }, { failures })).toMatchObject({
    verdict: ['FAILING', null, null],
  });
  const ended = look({ status: 'COMPLETED_WITH_ERRORS', succeeded: 91, failed: 9, endedAt: NOW }, { failures });
  expect(ended).toMatchObject({
    ...{ verdict: ['FAILING', null, null], failureCategory: 'TIMEOUT' },
    kinds: ['FIX_CREDENTIALS', 'RAISE_TIMEOUT', 'FIX_OUTPUT', 'RETRY_TRANSIENT', 'RETRY_ALL'],
  });
  expect(ended.recommendations.at(-1)?.action).toEqual({
    ...{ mutation: 'retryFailedItems', input: { batchExecutionId: 'exec_1', mode: 'ALL', maxRetryCount: null } },
  });
});

test('it is slow when most of what is open has failed, or it will miss its deadline', () => {
  expect(look({ retrying: 30, queued: 10, succeeded: 50 }).verdict[0]).toBe('SLOW');
  const late = look({ running: 10, queued: 40, succeeded: 50, deadlineAt: new Date(NOW.getTime() + 5_000) });
  expect(late).toMatchObject({ verdict: ['SLOW', null, null], kinds: ['EXTEND_DEADLINE'] });
});

test('what has ended is judged by how', () => {
  expect(look({ status: 'COMPLETED', succeeded: 100 }).verdict[0]).toBe('OK');
  expect(look({ status: 'CANCELLED', cancelled: 100 }).verdict[0]).toBe('OK');
  expect(look({ status: 'EXPIRED', expired: 50 })).toMatchObject({
    verdict: ['FAILING', null, null],
    kinds: ['EXTEND_DEADLINE'],
  });
  expect(look({ status: 'FAILED', error: 'Its agent is gone.' }).reason).toBe('Its agent is gone.');
});

test('what befell the machines is told apart', () => {
  const facts = {
    nextAttemptAt: null,
    overdueCalls: 0,
    overdueSince: null,
    isOwned: true,
    takeovers: 2,
    takenOverAt: NOW,
    interruptedItems: 4,
  };
  const failures = [group({ category: 'INTERRUPTED', code: 'worker_crash', count: 3 })];
  expect(infrastructureEvents({ ...facts, failures }).map(({ kind, count }) => [kind, count])).toEqual([
    ['NODE_LOST', 2],
    ['ITEMS_INTERRUPTED', 4],
    ['WORKER_CRASH', 3],
  ]);
});
