/**
 * Checks a batch spec whole, before anything is stored.
 *
 *     const issues = new IssueList();
 *     const prepared = await prepareSpec(deps, actor, input.source.spec, ['input', 'source', 'spec'], issues);
 *     const overrides = checkOverrides(input.inputOverrides, ['input', 'inputOverrides'], issues);
 *     issues.throwIfAny();  // from here on `prepared` is there
 *     … storePrepared(tx, deps, actor, prepared)
 */
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Datasource } from '../domain/model.ts';
import type {
  BatchSpec,
  ExecutionParams,
  InputFilters,
  InputOverrides,
  OutputConfig,
  PinnedTier,
} from '../domain/spec.ts';
import { ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import type { NewElement } from '../store/data-elements.ts';
import type { Tx } from '../store/database.ts';
import { findDatasource, keepDatasource } from '../store/datasources.ts';
import { checkOutput, mustKeepOutput, refuseLoop } from './batch-output.ts';
import { checkElements, defaultItemId } from './element-input.ts';
import type { IssueList, Loc } from './issue-list.ts';
import { checkSchemas } from './output-rules-input.ts';
import { ownJson } from './own-json.ts';
import { pinAgents } from './pin-agents.ts';
import type { ServiceDeps } from './ports.ts';
import {
  type BatchSpecInput,
  executionParamsOf,
  executionSchema,
  filtersOf,
  filtersSchema,
  label,
  type OverridesInput,
  overridesSchema,
} from './spec-input.ts';
import { checkTiers, unpinned } from './spec-tiers.ts';
import { storeInlineItems } from './store-inline-items.ts';
import { checkBudget } from './token-prices.ts';

/** A spec that may be stored and run. */
export interface PreparedSpec {
  readonly name: string;
  readonly tiers: readonly PinnedTier[];
  /** Where the elements come from: a datasource that is there, or items that are still to be stored. */
  readonly source: { readonly datasource: Datasource; readonly loc: Loc } | { readonly items: readonly NewElement[] };
  readonly filters: InputFilters | undefined;
  /** The datasource of results that is named; undefined: one of each execution's own. */
  readonly output: OutputConfig | undefined;
  readonly execution: ExecutionParams;
  readonly additionalProperties: unknown;
}

/**
 * The spec that an input amounts to, its agents found; undefined with every problem noted. Nothing is stored.
 *
 * A draft's elements may still be to come, and are its own: its source is the items that came along, if any.
 */
export async function prepareSpec(
  deps: Pick<ServiceDeps, 'db' | 'agents' | 'outputs'>,
  actor: Actor,
  input: BatchSpecInput,
  loc: Loc,
  issues: IssueList,
  isDraft = false,
): Promise<PreparedSpec | undefined> {
  const name = issues.check(label, input.name, [...loc, 'name']);
  const filters = issues.check(filtersSchema.nullish(), input.input.filters, [...loc, 'input', 'filters']);
  const execution = issues.check(executionSchema.nullish(), input.execution, [...loc, 'execution']);
  issues.check(ownJson(LIMITS.metadataBytes), input.additionalProperties, [...loc, 'additionalProperties']);
  const given = checkTiers(input, loc, issues);
  checkBudget(
    given.map(({ tier }) => tier),
    execution,
    loc,
    issues,
  );
  const tiers = await pinAgents(deps, actor, given, issues);
  for (const { tier, agentLoc } of given) await checkSchemas(deps, tier, agentLoc.slice(0, -1), issues);
  const source = await checkSource(deps, actor, input.input, [...loc, 'input'], issues, isDraft);
  const output = await checkOutput(deps.db, actor, input.output, [...loc, 'output'], issues);
  refuseLoop(input.input.datasourceId, output, [...loc, 'output', 'datasourceId'], issues);
  if (!issues.isEmpty || name === undefined || tiers === undefined || source === undefined) return undefined;
  const { additionalProperties } = input;
  return {
    name,
    tiers,
    source,
    filters: filtersOf(filters),
    output,
    execution: executionParamsOf(execution),
    additionalProperties,
  };
}

/**
 * Stores a prepared spec's inline items as their implicit datasource, if it has any, and answers the whole spec.
 *
 * The datasource cannot be deleted before the transaction ends. Throws ValidationError when it has been meanwhile.
 */
export async function storePrepared(
  tx: Tx,
  deps: Pick<ServiceDeps, 'newId' | 'now'>,
  actor: Actor,
  prepared: PreparedSpec,
): Promise<{ spec: BatchSpec; datasource: Datasource }> {
  const { source, filters, output, tiers, name, execution, additionalProperties } = prepared;
  const { projectId } = actor;
  const datasource = 'items' in source ? await storeInlineItems(tx, deps, projectId, source.items) : source.datasource;
  if ('loc' in source && !(await keepDatasource(tx, projectId, datasource.id))) {
    throw new ValidationError([datasourceGone(source.loc, datasource.id)]);
  }
  if (output !== undefined) await mustKeepOutput(tx, projectId, output, ['input']);
  const spec = {
    ...{ name, execution, tiers: tiers.map(unpinned) },
    input: { datasourceId: datasource.id, ...(filters !== undefined && { filters }) },
    ...(output !== undefined && { output }),
    ...(additionalProperties != null && { additionalProperties }),
  };
  return { spec, datasource };
}

/** The hash by which equal content of a definition is known. */
export const specHash = (spec: BatchSpec): string => contentHash(spec);

/**
 * What a stored spec needs to run now: its agents' newest versions and its datasources; undefined with the problems
 * noted. Its output is not asked for where the overrides name another.
 */
export async function pinSpec(
  deps: Pick<ServiceDeps, 'db' | 'agents'>,
  actor: Actor,
  spec: BatchSpec,
  overrides: InputOverrides | null,
  loc: Loc,
  issues: IssueList,
): Promise<{ tiers: readonly PinnedTier[]; datasource: Datasource } | undefined> {
  const tiers = await pinAgents(
    deps,
    actor,
    spec.tiers.map((tier) => ({ tier, agentLoc: loc, configLoc: loc })),
    issues,
  );
  const datasource = await findDatasource(deps.db, actor.projectId, spec.input.datasourceId);
  if (datasource === null) issues.add(loc, 'not_found', `Its datasource ${spec.input.datasourceId} is gone.`);
  if (overrides?.output === undefined) await checkOutput(deps.db, actor, spec.output, loc, issues);
  return tiers === undefined || datasource === null ? undefined : { tiers, datasource };
}

/** The overrides without what is absent; null when nothing is given, or with every problem noted. */
export function checkOverrides(
  input: OverridesInput | null | undefined,
  loc: Loc,
  issues: IssueList,
): InputOverrides | null {
  const checked = issues.check(overridesSchema.nullish(), input, loc);
  if (checked == null) return null;
  const { filters, output } = checked;
  const overrides: InputOverrides = {
    // Filters without a condition are those that take everything, and an output without a name is the execution's own.
    ...(filters != null && { filters: filtersOf(filters) ?? {} }),
    ...(checked.userMessage != null && { userMessage: checked.userMessage }),
    ...(checked.concurrency != null && { concurrency: checked.concurrency }),
    ...(checked.retryLimit != null && { retryLimit: checked.retryLimit }),
    ...(checked.itemTimeoutMs != null && { itemTimeoutMs: checked.itemTimeoutMs }),
    ...(output != null && { output: { datasourceId: output.datasourceId ?? null } }),
  };
  return Object.keys(overrides).length === 0 ? null : overrides;
}

async function checkSource(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  { datasourceId, items }: BatchSpecInput['input'],
  loc: Loc,
  issues: IssueList,
  isDraft: boolean,
): Promise<PreparedSpec['source'] | undefined> {
  if (isDraft && datasourceId != null) {
    issues.add([...loc, 'datasourceId'], 'conflict', 'cannot be given for a draft, whose items are added to it');
  } else if (datasourceId != null && items != null) issues.add(loc, 'conflict', 'has both datasourceId and items');
  if (isDraft || items != null)
    return { items: checkElements(items ?? [], [...loc, 'items'], issues, (_item, index) => defaultItemId(index)) };
  if (datasourceId == null) {
    issues.add(loc, 'missing', 'names no elements: give datasourceId or items');
    return undefined;
  }
  const datasource = await findDatasource(deps.db, actor.projectId, datasourceId);
  const at = [...loc, 'datasourceId'];
  if (datasource !== null) return { datasource, loc: at };
  const { msg, type } = datasourceGone(at, datasourceId);
  issues.add(at, type, msg);
  return undefined;
}

const datasourceGone = (loc: Loc, id: string): ValidationIssue => ({
  loc,
  msg: `There is no datasource ${JSON.stringify(id.slice(0, 80))}.`,
  type: 'not_found',
});
