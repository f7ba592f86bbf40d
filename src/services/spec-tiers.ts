/** The rules of a spec's tiers: by `agent` for one, or by `tiers` for several. */
import { LIMITS } from '../domain/limits.ts';
import type { PinnedTier, TierSpec } from '../domain/spec.ts';
import type { IssueList, Loc } from './issue-list.ts';
import { type OutputRulesInput, readOutputRules } from './output-rules-input.ts';
import { ownJson } from './own-json.ts';
import type { PlacedTier } from './pin-agents.ts';
import { type BatchSpecInput, rateLimit, type TierInput, userMessage } from './spec-input.ts';
import { type PricesInput, readPrices } from './token-prices.ts';

/** The tiers that an input names, with their places: one by `agent`, or those of `tiers`. */
export function checkTiers(input: BatchSpecInput, loc: Loc, issues: IssueList): readonly PlacedTier[] {
  const own = issues.check(userMessage.nullish(), input.userMessage, [...loc, 'userMessage']) ?? undefined;
  if (input.tiers == null) {
    const agent = input.agent ?? '';
    if (agent === '') issues.add(loc, 'missing', 'names no agent: give agent or tiers');
    return placed({ agent, userMessage: own, config: input.config, limit: input.rateLimit }, input, loc, issues);
  }
  if (input.agent != null) issues.add([...loc, 'agent'], 'conflict', 'cannot be given together with tiers');
  if (input.rateLimit != null)
    issues.add([...loc, 'rateLimit'], 'conflict', 'goes with agent; each of the tiers has its own');
  if (input.config != null)
    issues.add([...loc, 'config'], 'conflict', 'goes with agent; each of the tiers has its own');
  for (const field of ['outputSchema', 'artifacts', 'prices'] as const) {
    if (input[field] != null) issues.add([...loc, field], 'conflict', 'goes with agent; each of the tiers has its own');
  }
  const { length } = input.tiers;
  if (length === 0 || length > LIMITS.tiers) {
    issues.add([...loc, 'tiers'], 'length', `must have 1 to ${LIMITS.tiers} entries`, {
      minimum: 1,
      maximum: LIMITS.tiers,
    });
    return [];
  }
  return input.tiers.flatMap((tier, index) => {
    const at = [...loc, 'tiers', String(index)];
    const agent = tier.agent ?? '';
    if (agent === '') issues.add([...at, 'agent'], 'missing', 'a tier needs an agent');
    const message = issues.check(userMessage.nullish(), tier.userMessage, [...at, 'userMessage']) ?? own;
    const messageLoc = [...(tier.userMessage == null ? loc : at), 'userMessage'];
    const given = { agent, userMessage: message, config: tier.config, limit: tier.rateLimit };
    return placed(given, tier, at, issues).map((one) => ({ ...one, messageLoc }));
  });
}

function placed(
  given: { agent: string; userMessage: string | undefined; config: unknown; limit: TierInput['rateLimit'] },
  rulesInput: OutputRulesInput & PricesInput,
  loc: Loc,
  issues: IssueList,
): readonly PlacedTier[] {
  const { agent, userMessage: message, config } = given;
  const limit = issues.check(rateLimit.nullish(), given.limit, [...loc, 'rateLimit']);
  const [agentLoc, configLoc] = [
    [...loc, 'agent'],
    [...loc, 'config'],
  ];
  issues.check(ownJson(LIMITS.configBytes), config, configLoc);
  const rules = { ...readOutputRules(rulesInput, loc, issues), ...readPrices(rulesInput, loc, issues) };
  if (agent === '') return [];
  const tier = {
    ...{ agent, ...(message !== undefined && { userMessage: message }), ...(config != null && { config }) },
    ...(limit != null && { rateLimit: { starts: limit.starts, per: limit.per ?? 'SECOND' } }),
    ...rules,
  };
  return [{ tier, agentLoc, configLoc, messageLoc: [...loc, 'userMessage'] }];
}

/** A tier as a definition keeps it: without the version that was found for it. */
export const unpinned = ({ agent, userMessage: message, config, rateLimit: limit, ...rest }: PinnedTier): TierSpec => ({
  agent,
  ...(message !== undefined && { userMessage: message }),
  ...(config !== undefined && { config }),
  ...(limit !== undefined && { rateLimit: limit }),
  ...(rest.outputSchema !== undefined && { outputSchema: rest.outputSchema }),
  ...(rest.artifacts !== undefined && { artifacts: rest.artifacts }),
  ...(rest.prices !== undefined && { prices: rest.prices }),
});
