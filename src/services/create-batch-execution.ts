/** Creating an execution: checked whole, then stored. */
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import type { InputOverrides, PinnedTier } from '../domain/spec.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { findDefinition } from '../store/definitions.ts';
import { checkOutput, refuseLoop } from './batch-output.ts';
import { checkOverrides, pinSpec, prepareSpec } from './batch-spec.ts';
import { definitionDeleted } from './definition-words.ts';
import { type ControlsInput, controlsSchema } from './execution-control.ts';
import { IssueList } from './issue-list.ts';
import { ownJson } from './own-json.ts';
import { checkMessage } from './pin-agents.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import type { BatchSpecInput, OverridesInput } from './spec-input.ts';
import {
  type CheckedExecution,
  findEarlierExecution,
  idempotencyKey,
  type Recipe,
  type RequestKey,
  storeExecution,
} from './store-execution.ts';

export interface CreateBatchExecutionInput extends ControlsInput {
  /** A repeat with equal input answers the execution that the first call made. */
  readonly idempotencyKey?: string | null | undefined;
  /** Exactly one of them. */
  readonly source: {
    readonly definitionId?: string | null | undefined;
    readonly spec?: BatchSpecInput | null | undefined;
  };
  readonly inputOverrides?: OverridesInput | null | undefined;
  readonly metadata?: unknown;
  /** Whether its items are added to it before it is submitted. */
  readonly draft?: boolean | null | undefined;
}

/**
 * Makes an execution of a definition or of an inline spec, and tells the engine unless it is a draft; `created` is false when an equal
 * call with the same idempotency key made it before.
 *
 * Throws ValidationError with every problem at once, NotFoundError for an unknown definition, InvalidStateError for
 * a deleted one, and IdempotencyConflictError when the key was used with other input; then nothing is stored.
 */
export async function createBatchExecution(
  deps: ServiceDeps,
  actor: Actor,
  input: CreateBatchExecutionInput,
): Promise<{ execution: Execution; created: boolean }> {
  requireRole(actor, 'MEMBER');
  const request = requestOf(input);
  // Asked first: a repeat must be answered also when what it names has changed or gone since.
  const earlier = await findEarlierExecution(deps, actor, request);
  if (earlier !== null) return { execution: earlier, created: false };
  return await storeExecution(deps, actor, await check(deps, actor, input, request));
}

function requestOf(input: CreateBatchExecutionInput): RequestKey | null {
  const key = input.idempotencyKey ?? null;
  return key === null ? null : { key, hash: contentHash({ ...input, idempotencyKey: null }) };
}

async function check(
  deps: ServiceDeps,
  actor: Actor,
  input: CreateBatchExecutionInput,
  request: RequestKey | null,
): Promise<CheckedExecution> {
  const issues = new IssueList();
  issues.check(idempotencyKey.nullish(), input.idempotencyKey, ['input', 'idempotencyKey']);
  issues.check(ownJson(LIMITS.metadataBytes), input.metadata, ['input', 'metadata']);
  const controls = issues.check(controlsSchema(deps.now()), input, ['input']);
  const overrides = checkOverrides(input.inputOverrides, ['input', 'inputOverrides'], issues);
  const isDraft = input.draft === true;
  const recipe = await checkSource(deps, actor, input.source, overrides, issues, isDraft);
  for (const { agentVersionId } of tiersOf(recipe)) {
    await checkMessage(
      deps,
      agentVersionId,
      overrides?.userMessage,
      ['input', 'inputOverrides', 'userMessage'],
      issues,
    );
  }
  const outputLoc = ['input', 'inputOverrides', 'output'];
  const output = await checkOutput(deps.db, actor, input.inputOverrides?.output, outputLoc, issues);
  refuseLoop(recipe && inputOf(recipe), output, [...outputLoc, 'datasourceId'], issues);
  issues.throwIfAny();
  if (recipe === undefined || controls === undefined) throw new Error('an input was refused without an issue');
  const source = 'prepared' in recipe ? recipe.prepared.source : null;
  const draftItems = isDraft ? (source !== null && 'items' in source ? source.items : []) : null;
  return { recipe, overrides, controls, metadata: input.metadata, draftItems, request, rerunOf: null };
}

/** The tiers that a recipe runs; none of one that is refused. */
function tiersOf(recipe: Recipe | undefined): readonly PinnedTier[] {
  if (recipe === undefined) return [];
  return 'prepared' in recipe ? recipe.prepared.tiers : recipe.tiers;
}

/** The datasource that a recipe reads; null where its items came with the call. */
function inputOf(recipe: Recipe): string | null {
  if ('definition' in recipe) return recipe.definition.spec.input.datasourceId;
  const { source } = recipe.prepared;
  return 'datasource' in source ? source.datasource.id : null;
}

async function checkSource(
  deps: ServiceDeps,
  actor: Actor,
  { definitionId, spec }: CreateBatchExecutionInput['source'],
  overrides: InputOverrides | null,
  issues: IssueList,
  isDraft: boolean,
): Promise<Recipe | undefined> {
  const loc = ['input', 'source'];
  if ((definitionId == null) === (spec == null)) {
    issues.add(loc, 'one_of', 'needs exactly one of definitionId and spec');
    return undefined;
  }
  if (spec != null) {
    const prepared = await prepareSpec(deps, actor, spec, [...loc, 'spec'], issues, isDraft);
    return prepared && { prepared };
  }
  const definition = await findDefinition(deps.db, actor.projectId, definitionId ?? '');
  if (definition === null) throw new NotFoundError('batch definition', definitionId ?? '');
  if (definition.deletedAt !== null) throw definitionDeleted(definition);
  const pinned = await pinSpec(deps, actor, definition.spec, overrides, [...loc, 'definitionId'], issues);
  return pinned && { definition, tiers: pinned.tiers };
}
