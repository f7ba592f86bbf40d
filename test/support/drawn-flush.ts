/** Flushes as a lane could write them, of any outcomes. */
import { itemError } from '../../src/domain/item-error.ts';
import type { ClaimedItem, ItemMove, ResultRow, Settlement } from '../../src/engine/ports.ts';
import type { Seeded } from './seeded.ts';

/** The same flush in two, as it is sent when the database refuses the whole. */
export function halves(flush: Settlement): Settlement[] {
  const middle = flush.moves.length >> 1;
  if (middle === 0) return [];
  return [flush.moves.slice(0, middle), flush.moves.slice(middle)].map((moves) => {
    const own = new Set(moves.map(({ ordinal }) => ordinal));
    const mine = <Row extends { ordinal: number }>(rows: readonly Row[]) =>
      rows.filter(({ ordinal }) => own.has(ordinal));
    return { ...flush, moves, results: mine(flush.results), failures: mine(flush.failures) };
  });
}

/** What became of some of these items; mostly they succeed. */
export function drawFlush(items: readonly ClaimedItem[], round: number, draw: Seeded): Settlement {
  const at = new Date();
  const startedAt = new Date(at.getTime() - 5);
  const [moves, results, failures]: [ItemMove[], ResultRow[], Settlement['failures'][number][]] = [[], [], []];
  const quiet = draw.chance(0.6);
  for (const item of items) {
    const { ordinal, status, attempt, charged, deaths } = item;
    if (draw.chance(quiet ? 0.02 : 0.3)) continue;
    const kind = quiet || draw.chance(0.7) ? 'succeed' : draw.pick(['run', 'fail', 'retry', 'return']);
    const base = {
      ...{ ordinal, was: status, wasTier: 0, tier: 0, charged, deaths, runAfter: null, error: null, flawed: false },
      ...{
        attempt: status === 'RUNNING' ? attempt : attempt + 1,
        startedAt: item.startedAt ?? startedAt,
        endedAt: null,
      },
    };
    const error = itemError('RUNTIME', 'no', 'no', { stage: 'agent' });
    const failure = { ordinal, tier: 0, attempt: base.attempt, error, startedAt, at, usage: null };
    if (kind === 'succeed') {
      moves.push({ ...base, to: 'SUCCEEDED', endedAt: at });
      results.push({
        ...{ ordinal, tier: 0, attempt: base.attempt, data: `{"of":${ordinal},"round":${round}}`, fieldErrors: null },
        ...{ artifacts: null, contentHash: null, startedAt: base.startedAt, at, score: null, usage: null },
      });
    } else if (kind === 'run' && status === 'QUEUED') moves.push({ ...base, to: 'RUNNING' });
    else if (kind === 'return' && status === 'RUNNING') moves.push({ ...base, to: 'QUEUED' });
    else if (kind === 'fail') {
      moves.push({ ...base, to: 'FAILED', endedAt: at, error });
      failures.push(failure);
    } else if (kind === 'retry') {
      moves.push({ ...base, to: 'RETRYING', runAfter: new Date(at.getTime() + 5), error });
      failures.push(failure);
    }
  }
  return { round, tiers: 1, moves, results, failures };
}
