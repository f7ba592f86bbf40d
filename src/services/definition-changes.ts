/** What a partial update makes of a definition's content: a whole spec again, to be checked like any other. */
import type { BatchSpec } from '../domain/spec.ts';
import type { OutputInput } from './batch-output.ts';
import type { ElementInput } from './element-input.ts';
import type { IssueList, Loc } from './issue-list.ts';
import type { BatchSpecInput, ExecutionParamsInput, FiltersInput, TierInput } from './spec-input.ts';

/** What only one tier has of its own. */
type TierChanges = Pick<BatchSpecInput, 'agent' | 'config' | 'rateLimit' | 'outputSchema' | 'artifacts' | 'prices'>;

/** Changes of a spec: what is absent stays as it is, and null goes back to the default. */
export interface SpecChanges extends TierChanges {
  /** Instead of all tiers. */
  readonly tiers?: readonly TierInput[] | null | undefined;
  /** Of every tier. */
  readonly userMessage?: string | null | undefined;
  readonly input?:
    | {
        readonly datasourceId?: string | null | undefined;
        readonly items?: readonly ElementInput[] | null | undefined;
        readonly filters?: FiltersInput | null | undefined;
      }
    | null
    | undefined;
  readonly output?: OutputInput | null | undefined;
  /** Parameter by parameter. */
  readonly execution?: ExecutionParamsInput | null | undefined;
  readonly additionalProperties?: unknown;
}

/** The spec that a stored one becomes with the changes; problems of the changes as such are noted. */
export function changedSpec(base: BatchSpec, changes: SpecChanges, loc: Loc, issues: IssueList): BatchSpecInput {
  const { input, execution } = changes;
  const items = input?.items ?? undefined;
  return {
    name: base.name,
    ...tiersOf(base, changes, loc, issues),
    input: {
      items,
      datasourceId: input?.datasourceId ?? (items === undefined ? base.input.datasourceId : undefined),
      filters: input?.filters === undefined ? base.input.filters : input.filters,
    },
    output: changes.output === undefined ? base.output : changes.output,
    execution: execution === null ? null : { ...base.execution, ...given(execution ?? {}) },
    additionalProperties:
      changes.additionalProperties === undefined ? base.additionalProperties : changes.additionalProperties,
  };
}

function tiersOf(
  base: BatchSpec,
  { agent, config, rateLimit, outputSchema, artifacts, prices, tiers, userMessage }: SpecChanges,
  loc: Loc,
  issues: IssueList,
): TierChanges & Pick<BatchSpecInput, 'tiers' | 'userMessage'> {
  const own = { config, rateLimit, outputSchema, artifacts, prices };
  if (tiers != null) return { agent, ...own, tiers, userMessage };
  const ofTier = given({ agent: agent ?? undefined, ...own });
  for (const field of Object.keys(ofTier)) {
    if (base.tiers.length > 1)
      issues.add([...loc, field], 'conflict', `does not say of which of the ${base.tiers.length} tiers: give tiers`);
  }
  const changed = { ...ofTier, ...given({ userMessage }) };
  const [first, second] = base.tiers;
  // Written as the changes are, so that a problem is told at the place where the caller has it.
  if (second === undefined) return { ...first, ...changed };
  return { tiers: base.tiers.map((tier) => ({ ...tier, ...changed })) };
}

/** The object without what is undefined. */
function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
