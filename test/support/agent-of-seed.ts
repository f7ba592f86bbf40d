/** An agent that misbehaves as its seed says, and the check that what it answered is what was recorded. */
import type { AgentContext, AgentRun } from '../../src/domain/agent-context.ts';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Db } from '../../src/store/database.ts';
import { type Seeded, seeded } from './seeded.ts';

/** What a schedule notes of the calls of its agent. */
export interface Calls {
  made: number;
  /** Most calls that may run at a time. */
  allowed: number;
  /** So many of the next calls are refused for being too many. */
  refused: number;
  /** Calls that run now, by engine. */
  readonly running: Map<number, number>;
  readonly problems: string[];
}

/** What an item's call answers: the same whenever it is called in its tier and round. */
const answerOf = (ordinal: number, tier: number): string => `item ${ordinal} in tier ${tier}`;
/** The codes of what goes wrong in a call. */
export const CODES = [
  ...['flaky', 'broken', 'at once', 'too many', 'timeout', 'worker_crash'],
  ...['result_not_json', 'result_too_large', 'invalid_result'],
];
const HUNDRED_MEGABYTES = 100_000_000;

/** What an agent may answer that is no result. */
const RUBBISH: readonly (() => unknown)[] = [
  () => () => 'a function',
  () => 1n,
  () => ({ data: 1, artifacts: 'none' }),
  () => 'x'.repeat(LIMITS.resultBytes + 1),
  () => 'x'.repeat(HUNDRED_MEGABYTES),
];

/** Decides by seed, ordinal, tier, round and attempt what a call does. */
export function agentOfSeed(seed: number, calls: Calls): AgentRun {
  return (context) => {
    calls.made += 1;
    const { item, tier, round, attempt, previous } = context;
    const { ordinal } = item;
    if (tier > 0 && previous !== answerOf(ordinal, tier - 1))
      calls.problems.push(`item ${ordinal} got ${JSON.stringify(previous)} in tier ${tier}`);
    if (calls.refused > 0) {
      calls.refused -= 1;
      throw Object.assign(new Error('not so many'), { code: 'too many', status: 429 });
    }
    const draw = seeded(
      seed ^ Math.imul(ordinal + 1, 2_654_435_761) ^ Math.imul(tier * 31 + round * 7 + attempt, 40_503),
    );
    return behave(draw, context, answerOf(ordinal, tier));
  };
}

/** Answers, fails or misbehaves. Not async: some throw before there is a promise. */
function behave(draw: Seeded, { item, attempt, signal }: AgentContext, answer: string): unknown {
  const kind = draw.next();
  // Some say what they used, so that the sums are checked along.
  const usage = { inputTokens: item.ordinal + 1, outputTokens: attempt };
  if (kind < 0.25) return answer;
  if (kind < 0.35) return { data: answer, usage };
  if (kind < 0.55) return turns(draw.between(1, 10), answer);
  if (kind < 0.7) return waiting(draw.between(1, 10), answer, signal);
  // Deaf to its abort.
  if (kind < 0.8) return waiting(draw.between(1, 40), answer, null);
  if (kind < 0.94)
    return Promise.reject(
      Object.assign(new Error('not this time'), { code: 'flaky', category: 'DEPENDENCY', transient: true, usage }),
    );
  // As where its thread was ended for what another call did.
  if (kind < 0.955) throw new AttemptInterrupted('the thread was ended');
  if (kind < 0.97) throw Object.assign(new Error('at once'), { code: 'at once' });
  if (kind < 0.98) return draw.pick(RUBBISH)();
  // Never by itself.
  if (kind < 0.985) return waiting(null, answer, signal);
  return Promise.reject(Object.assign(new Error('never'), { code: 'broken', transient: false }));
}

async function turns(count: number, answer: string): Promise<string> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return answer;
}

/** Answers after a time, never where that is null; with a signal it ends at its abort. */
function waiting(ms: number | null, answer: string, signal: AbortSignal | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = ms === null ? undefined : setTimeout(() => resolve(answer), ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Throws where a result is not what the agent answered, or a failure not what it threw; the codes of the failures. */
export async function checkResults(db: Db, id: string, calls: Calls): Promise<readonly string[]> {
  const results = await db
    .selectFrom('everyResult')
    .select(['ordinal', 'tier', 'data'])
    .where('executionId', '=', id)
    .execute();
  const strange = results.find(({ ordinal, tier, data }) => data !== answerOf(ordinal, tier));
  if (strange !== undefined) throw new Error(`a strange result: ${JSON.stringify(strange)}`);
  const failures = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
  const odd = failures.find(({ code }) => !CODES.includes(code));
  if (odd !== undefined) throw new Error(`a strange failure: ${JSON.stringify(odd)}`);
  if (calls.problems.length > 0) throw new Error(calls.problems.join('; '));
  return failures.map(({ code }) => code);
}
