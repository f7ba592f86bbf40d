/** Creating an execution: checked whole, then stored in one transaction; the engine freezes its items behind that. */
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, BatchDefinition, Datasource, Execution } from '../domain/model.ts';
import type { BatchSpec, InputOverrides, PinnedSpec, PinnedTier } from '../domain/spec.ts';
import { IdempotencyConflictError, NotFoundError } from '../domain/user-error.ts';
import { findByIdempotencyKey, insertExecution } from '../store/create-execution.ts';
import type { NewElement } from '../store/data-elements.ts';
import type { Tx } from '../store/database.ts';
import { findDefinition, obtainDefinition } from '../store/definitions.ts';
import { lockDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { checkOverrides, type PreparedSpec, pinSpec, prepareSpec, specHash, storePrepared } from './batch-spec.ts';
import { definitionUrn } from './definition-urn.ts';
import { makeDraftDatasource, mustBeDraft, storeDraftItems } from './draft-items.ts';
import { type ControlsInput, controlsSchema } from './execution-control.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { type BatchSpecInput, type OverridesInput, ownJson } from './spec-input.ts';
import { storableString } from './storable-string.ts';

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

const idempotencyKey = storableString(LIMITS.idempotencyKeyLength).min(1);

/** What is to be stored, after everything was checked. */
interface Checked {
  readonly recipe:
    | { readonly prepared: PreparedSpec }
    | { readonly definition: BatchDefinition; readonly tiers: readonly PinnedTier[] };
  readonly overrides: InputOverrides | null;
  readonly controls: ControlsInput;
  /** The items that a draft starts with; null when it is none. */
  readonly draftItems: readonly NewElement[] | null;
}

/**
 * Makes an execution of a definition or of an inline spec, and tells the engine unless it is a draft; `created` is false when an equal
 * call with the same idempotency key made it before.
 *
 * Throws ValidationError with every problem at once, NotFoundError for an unknown definition, and
 * IdempotencyConflictError when the key was used with other input; then nothing is stored.
 */
export async function createBatchExecution(
  deps: ServiceDeps,
  actor: Actor,
  input: CreateBatchExecutionInput,
): Promise<{ execution: Execution; created: boolean }> {
  requireRole(actor, 'MEMBER');
  const key = input.idempotencyKey ?? null;
  const requestHash = key === null ? null : contentHash({ ...input, idempotencyKey: null });
  // Asked first: a repeat must be answered also when what it names has changed or gone since.
  const earlier = key === null ? null : await findEarlier(deps, actor, key, requestHash);
  if (earlier !== null) return { execution: earlier, created: false };

  const checked = await check(deps, actor, input);
  const id = deps.newId('BatchExecution');
  const stored = await deps.db.transaction().execute(async (tx) => {
    const own = checked.draftItems === null ? null : await makeDraftDatasource(tx, deps, actor.projectId);
    const { definition, tiers } = await storeRecipe(tx, deps, actor, checked.recipe, own);
    const isNew = await insertExecution(tx, {
      id,
      projectId: actor.projectId,
      definitionId: definition.id,
      name: definition.name,
      metadata: input.metadata == null ? null : JSON.stringify(input.metadata),
      inputOverrides: checked.overrides,
      spec: pin(definition.spec, tiers, checked.overrides, own),
      deadlineAt: checked.controls.deadlineAt ?? null,
      priority: checked.controls.priority ?? LIMITS.priority.default,
      sampleSize: checked.controls.sampleSize ?? null,
      toleratedFailures: checked.controls.toleratedFailures?.count ?? null,
      toleratedFailurePercent: checked.controls.toleratedFailures?.percent ?? null,
      idempotencyKey: key,
      requestHash,
      createdBy: actor.keyId,
      createdAt: deps.now(),
      isDraft: checked.draftItems !== null,
    });
    if (isNew && checked.draftItems !== null) await addFirstItems(tx, deps, actor, id, checked.draftItems);
    return isNew;
  });
  if (!stored) {
    // An equal call was faster.
    const other = key === null ? null : await findEarlier(deps, actor, key, requestHash);
    if (other !== null) return { execution: other, created: false };
  }
  if (checked.draftItems === null) deps.engine.wake(id);
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new Error(`the execution ${id} was not stored`);
  return { execution, created: true };
}

async function check(deps: ServiceDeps, actor: Actor, input: CreateBatchExecutionInput): Promise<Checked> {
  const issues = new IssueList();
  issues.check(idempotencyKey.nullish(), input.idempotencyKey, ['input', 'idempotencyKey']);
  issues.check(ownJson(LIMITS.metadataBytes), input.metadata, ['input', 'metadata']);
  const controls = issues.check(controlsSchema(deps.now()), input, ['input']);
  const overrides = checkOverrides(input.inputOverrides, ['input', 'inputOverrides'], issues);
  const isDraft = input.draft === true;
  const recipe = await checkSource(deps, actor, input.source, issues, isDraft);
  issues.throwIfAny();
  if (recipe === undefined || controls === undefined) throw new Error('an input was refused without an issue');
  const source = 'prepared' in recipe ? recipe.prepared.source : null;
  const draftItems = isDraft ? (source !== null && 'items' in source ? source.items : []) : null;
  return { recipe, overrides, controls, draftItems };
}

async function checkSource(
  deps: ServiceDeps,
  actor: Actor,
  { definitionId, spec }: CreateBatchExecutionInput['source'],
  issues: IssueList,
  isDraft: boolean,
): Promise<Checked['recipe'] | undefined> {
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
  const pinned = await pinSpec(deps, actor, definition.spec, [...loc, 'definitionId'], issues);
  return pinned && { definition, tiers: pinned.tiers };
}

/** The definition to run: the one that was named, or the version that the inline spec amounts to with its source. */
async function storeRecipe(
  tx: Tx,
  deps: ServiceDeps,
  actor: Actor,
  recipe: Checked['recipe'],
  own: Datasource | null,
): Promise<{ definition: BatchDefinition; tiers: readonly PinnedTier[] }> {
  if ('definition' in recipe) return recipe;
  const source = own === null ? recipe.prepared.source : { datasource: own, loc: [] };
  const { spec } = await storePrepared(tx, deps, actor, { ...recipe.prepared, source });
  const id = deps.newId('BatchDefinition');
  const { definition } = await obtainDefinition(tx, {
    ...{ id, projectId: actor.projectId, name: spec.name, urn: definitionUrn(actor, id), description: null },
    ...{ spec, specHash: specHash(spec), createdAt: deps.now(), createdBy: actor.keyId },
  });
  return { definition, tiers: recipe.prepared.tiers };
}

async function addFirstItems(
  tx: Tx,
  deps: ServiceDeps,
  actor: Actor,
  id: string,
  items: readonly NewElement[],
): Promise<void> {
  const draft = await mustBeDraft(tx, actor.projectId, id, await lockDraft(tx, actor.projectId, id));
  const indexed = items.map((item, index) => ({ ...item, index }));
  await storeDraftItems(tx, draft, indexed, deps.now());
}

/** The definition's spec with the overrides applied, each agent pinned, and a draft's own datasource. */
function pin(
  spec: BatchSpec,
  tiers: readonly PinnedTier[],
  overrides: InputOverrides | null,
  own: Datasource | null,
): PinnedSpec {
  const { filters, userMessage, ...params } = overrides ?? {};
  return {
    ...spec,
    tiers: userMessage === undefined ? tiers : tiers.map((tier) => ({ ...tier, userMessage })),
    input: {
      ...spec.input,
      ...(own !== null && { datasourceId: own.id }),
      ...(filters !== undefined && { filters }),
    },
    execution: { ...spec.execution, ...params },
  };
}

async function findEarlier(
  deps: ServiceDeps,
  actor: Actor,
  key: string,
  requestHash: string | null,
): Promise<Execution | null> {
  const earlier = idempotencyKey.safeParse(key).success
    ? await findByIdempotencyKey(deps.db, actor.projectId, key)
    : null;
  if (earlier === null) return null;
  if (earlier.requestHash !== requestHash) throw new IdempotencyConflictError(earlier.id);
  return (await findExecution(deps.db, actor.projectId, earlier.id)) ?? null;
}
