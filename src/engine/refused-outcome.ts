/** What is written in place of an item's outcome that the database refused. */
import { itemError } from '../domain/item-error.ts';
import type { Move, Staged } from './lane-item.ts';

/** The code of an item whose outcome the database refused. */
const REFUSED = 'result_refused';

/** Whether what was refused holds the user's data, and so may be refused for it. */
export const holdsData = ({ results, failures }: Staged): boolean =>
  results.length > 0 || failures.some(({ error }) => error.code !== REFUSED);

/** A move into the next tier, of an item whose later moves are written after it. */
export const advanced = (move: Move, tier: number): Move => ({
  ...move,
  ...{ to: 'RUNNING', tier, attempt: 0, charged: 0, runAfter: null, endedAt: null, error: null, flawed: false },
});

/** The item's failure in the tier whose result, the only one, or whose failure was refused. */
export function asRefused({ item, move, outcome, results }: Staged, at: Date): Staged {
  const [result] = results;
  const error = itemError('VALIDATION', REFUSED, 'The database cannot store what the agent returned.', {
    stage: 'result',
  });
  const guilty = { tier: result?.tier ?? move.tier, attempt: result?.attempt ?? move.attempt };
  const { startedAt = at, usage = null } = result ?? {};
  return {
    ...{ item, outcome, results: [] },
    failures: [{ ordinal: item.ordinal, ...guilty, error, startedAt, at, usage }],
    move: {
      ...{ ...move, ...guilty, to: 'FAILED', runAfter: null, endedAt: at, startedAt: move.startedAt ?? at },
      ...{ error, flawed: false },
    },
  };
}
