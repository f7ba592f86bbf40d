/** What executions' calls used, and what it cost. */
import type { Actor, Execution } from '../domain/model.ts';
import { sumUsage, type UsageSum } from '../store/usage-reads.ts';
import type { ServiceDeps } from './ports.ts';

/** Tokens and their cost. */
export interface UsageTotal extends Omit<UsageSum, 'executionId' | 'tier'> {
  /** ISO 4217; null where no tier has prices. */
  readonly currency: string | null;
}

/** What an execution used, as a whole and by tier. */
export interface ExecutionUsage {
  readonly total: UsageTotal;
  readonly tiers: readonly UsageTotal[];
}

const NOTHING = { calls: 0, inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, totalTokens: 0 };

/** The usage of each execution, in their order; zeros where no call said what it used. */
export async function summarizeUsage(
  deps: ServiceDeps,
  actor: Actor,
  executions: readonly Execution[],
): Promise<ExecutionUsage[]> {
  const ids = executions.map((execution) => execution.id);
  const found = Map.groupBy(await sumUsage(deps.db, actor.projectId, ids), (row) => row.executionId);
  return executions.map(({ id, spec }) => {
    const rows = found.get(id) ?? [];
    const sumOf = (tier: number | null, currency: string | null): UsageTotal => {
      const row = rows.find((one) => one.tier === tier);
      return { ...(row ?? NOTHING), cost: row?.cost ?? (currency === null ? null : '0'), currency };
    };
    const currencies = spec.tiers.map((tier) => tier.prices?.currency ?? null);
    return {
      total: sumOf(null, currencies.find((currency) => currency !== null) ?? null),
      tiers: currencies.map((currency, tier) => sumOf(tier, currency)),
    };
  });
}
