/** An agent that misbehaves as its seed says, and the check that what it answered is what was recorded. */
import type { AgentRun } from '../../src/domain/agent-context.ts';
import type { Db } from '../../src/store/database.ts';
import { seeded } from './seeded.ts';

/** What a schedule notes of the calls of its agent. */
export interface Calls {
  made: number;
  /** Most calls that may run at a time. */
  allowed: number;
  /** Calls that run now, by engine. */
  readonly running: Map<number, number>;
  readonly problems: string[];
}

/** What an item's call answers: the same whenever it is called in its tier and round. */
const answerOf = (ordinal: number, tier: number): string => `item ${ordinal} in tier ${tier}`;
const CODES = ['flaky', 'broken', 'timeout', 'worker_crash'];

/** Decides by seed, ordinal, tier, round and attempt what a call does. */
export function agentOfSeed(seed: number, calls: Calls): AgentRun {
  return async ({ item, tier, round, attempt, previous, signal }) => {
    calls.made += 1;
    const { ordinal } = item;
    if (tier > 0 && previous !== answerOf(ordinal, tier - 1))
      calls.problems.push(`item ${ordinal} got ${JSON.stringify(previous)} in tier ${tier}`);
    const draw = seeded(
      seed ^ Math.imul(ordinal + 1, 2_654_435_761) ^ Math.imul(tier * 31 + round * 7 + attempt, 40_503),
    );
    const answer = answerOf(ordinal, tier);
    const kind = draw.next();
    // Some say what they used, so that the sums are checked along.
    const usage = { inputTokens: ordinal + 1, outputTokens: attempt };
    if (kind < 0.25) return answer;
    if (kind < 0.35) return { data: answer, usage };
    if (kind < 0.55) return await turns(draw.between(1, 10), answer);
    if (kind < 0.7) return await waiting(draw.between(1, 10), answer, signal);
    // Deaf to its abort.
    if (kind < 0.8) return await waiting(draw.between(1, 40), answer, null);
    if (kind < 0.97)
      throw Object.assign(new Error('not this time'), {
        code: 'flaky',
        category: 'DEPENDENCY',
        transient: true,
        usage,
      });
    throw Object.assign(new Error('never'), { code: 'broken', transient: false });
  };
}

async function turns(count: number, answer: string): Promise<string> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return answer;
}

function waiting(ms: number, answer: string, signal: AbortSignal | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(answer), ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Throws where a result is not what the agent answered, or a failure not what it threw. */
export async function checkResults(db: Db, id: string, calls: Calls): Promise<void> {
  const results = await db
    .selectFrom('itemResult')
    .select(['ordinal', 'tier', 'data'])
    .where('executionId', '=', id)
    .execute();
  const strange = results.find(({ ordinal, tier, data }) => data !== answerOf(ordinal, tier));
  if (strange !== undefined) throw new Error(`a strange result: ${JSON.stringify(strange)}`);
  const failures = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
  const odd = failures.find(({ code }) => !CODES.includes(code));
  if (odd !== undefined) throw new Error(`a strange failure: ${JSON.stringify(odd)}`);
  if (calls.problems.length > 0) throw new Error(calls.problems.join('; '));
}
