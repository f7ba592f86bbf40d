/** Storing an execution that was checked, in one transaction; the engine freezes its items behind that. */
import { LIMITS } from '../domain/limits.ts';
import type { Actor, BatchDefinition, Datasource, Execution } from '../domain/model.ts';
import type { BatchSpec, InputOverrides, PinnedSpec, PinnedTier } from '../domain/spec.ts';
import { IdempotencyConflictError, ValidationError } from '../domain/user-error.ts';
import { findByIdempotencyKey, insertExecution } from '../store/create-execution.ts';
import type { NewElement } from '../store/data-elements.ts';
import type { Tx } from '../store/database.ts';
import { keepDatasource } from '../store/datasources.ts';
import { keepDefinition, obtainDefinition } from '../store/definition-versions.ts';
import { lockDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { setImplicit } from '../store/implicit-definitions.ts';
import { obtainOutput } from './batch-output.ts';
import { type PreparedSpec, specHash, storePrepared } from './batch-spec.ts';
import { definitionDeleted, definitionUrn } from './definition-words.ts';
import { makeDraftDatasource, mustBeDraft, storeDraftItems } from './draft-items.ts';
import type { ControlsInput } from './execution-control.ts';
import type { ServiceDeps } from './ports.ts';
import { storableString } from './storable-string.ts';

/** What to run, after everything was checked. */
export type Recipe =
  | { readonly prepared: PreparedSpec }
  | {
      readonly definition: BatchDefinition;
      readonly tiers: readonly PinnedTier[];
      /** Where the elements come from instead of from the definition's datasource. */
      readonly datasourceId?: string;
    };

/** An execution to store. */
export interface CheckedExecution {
  readonly recipe: Recipe;
  readonly overrides: InputOverrides | null;
  readonly controls: ControlsInput;
  readonly metadata: unknown;
  /** The items that a draft starts with; null when it is none. */
  readonly draftItems: readonly NewElement[] | null;
  readonly request: RequestKey | null;
  /** The execution that it runs again. */
  readonly rerunOf: string | null;
}

/** An idempotency key and the hash of the input that came with it. */
export interface RequestKey {
  readonly key: string;
  readonly hash: string;
}

/** The rule of an idempotency key. */
export const idempotencyKey = storableString(LIMITS.idempotencyKeyLength).min(1);

/**
 * Stores the execution and tells the engine unless it is a draft; `created` is false when an equal call with the
 * same idempotency key was faster.
 *
 * Throws ValidationError when a datasource of it was deleted meanwhile, InvalidStateError when the definition was,
 * and IdempotencyConflictError; then nothing is stored.
 */
export async function storeExecution(
  deps: ServiceDeps,
  actor: Actor,
  checked: CheckedExecution,
): Promise<{ execution: Execution; created: boolean }> {
  const id = deps.newId('BatchExecution');
  try {
    await deps.db.transaction().execute((tx) => store(tx, deps, actor, id, checked));
  } catch (error) {
    if (!(error instanceof KeyTaken)) throw error;
    const other = await findEarlierExecution(deps, actor, checked.request);
    if (other === null) throw new Error(`An idempotency key was taken by nobody.`);
    return { execution: other, created: false };
  }
  if (checked.draftItems === null) deps.engine.wake(id);
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new Error(`the execution ${id} was not stored`);
  return { execution, created: true };
}

/** The execution that an earlier call with this key made; null when none did. Throws IdempotencyConflictError. */
export async function findEarlierExecution(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  request: RequestKey | null,
): Promise<Execution | null> {
  if (request === null || !idempotencyKey.safeParse(request.key).success) return null;
  const earlier = await findByIdempotencyKey(deps.db, actor.projectId, request.key);
  if (earlier === null) return null;
  if (earlier.requestHash !== request.hash) throw new IdempotencyConflictError(earlier.id);
  return (await findExecution(deps.db, actor.projectId, earlier.id)) ?? null;
}

/** Ends the transaction of a call that found its key taken, so that it leaves nothing behind. */
class KeyTaken extends Error {}

async function store(
  tx: Tx,
  deps: ServiceDeps,
  actor: Actor,
  id: string,
  { recipe, overrides, controls, metadata, draftItems, request, rerunOf }: CheckedExecution,
): Promise<void> {
  const own = draftItems === null ? null : await makeDraftDatasource(tx, deps, actor.projectId);
  const { definition, tiers, datasourceId } = await storeRecipe(tx, deps, actor, recipe, own);
  const spec = pin(definition.spec, tiers, overrides, datasourceId);
  const isNew = await insertExecution(tx, {
    id,
    projectId: actor.projectId,
    definitionId: definition.id,
    name: definition.name,
    metadata: metadata == null ? null : JSON.stringify(metadata),
    inputOverrides: overrides,
    spec,
    outputDatasourceId: await obtainOutput(tx, deps, actor, id, spec.output),
    rerunOf,
    deadlineAt: controls.deadlineAt ?? null,
    priority: controls.priority ?? LIMITS.priority.default,
    sampleSize: controls.sampleSize ?? null,
    toleratedFailures: controls.toleratedFailures?.count ?? null,
    toleratedFailurePercent: controls.toleratedFailures?.percent ?? null,
    idempotencyKey: request?.key ?? null,
    requestHash: request?.hash ?? null,
    createdBy: actor.keyId,
    createdAt: deps.now(),
    isDraft: draftItems !== null,
  });
  if (!isNew) throw new KeyTaken();
  if (draftItems !== null) await addFirstItems(tx, deps, actor, id, draftItems);
}

/** The definition to run: the one that was named, or the version that the inline spec amounts to with its source. */
async function storeRecipe(
  tx: Tx,
  deps: ServiceDeps,
  actor: Actor,
  recipe: Recipe,
  own: Datasource | null,
): Promise<{ definition: BatchDefinition; tiers: readonly PinnedTier[]; datasourceId: string }> {
  const { projectId } = actor;
  if ('definition' in recipe) {
    const { definition, tiers } = recipe;
    // Neither can go before the execution is there: deleting either waits for this transaction, or was faster.
    if (!(await keepDefinition(tx, projectId, definition.id))) throw definitionDeleted(definition);
    const datasourceId = own?.id ?? recipe.datasourceId ?? definition.spec.input.datasourceId;
    if (!(await keepDatasource(tx, projectId, datasourceId))) {
      throw new ValidationError([
        { loc: ['input'], msg: `Its datasource ${datasourceId} is gone.`, type: 'not_found' },
      ]);
    }
    return { definition, tiers, datasourceId };
  }
  const source = own === null ? recipe.prepared.source : { datasource: own, loc: [] };
  const { spec, datasource } = await storePrepared(tx, deps, actor, { ...recipe.prepared, source });
  const id = deps.newId('BatchDefinition');
  const { definition, created } = await obtainDefinition(tx, {
    ...{ id, projectId, name: spec.name, urn: definitionUrn(actor, id), description: null },
    ...{ spec, specHash: specHash(spec), createdAt: deps.now(), createdBy: actor.keyId },
  });
  if (created) await setImplicit(tx, definition.id, true);
  return { definition, tiers: recipe.prepared.tiers, datasourceId: datasource.id };
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

/** The definition's spec with the overrides applied, each agent pinned, and the datasource that is read. */
function pin(
  spec: BatchSpec,
  tiers: readonly PinnedTier[],
  overrides: InputOverrides | null,
  datasourceId: string,
): PinnedSpec {
  const { filters, userMessage, output: other, ...params } = overrides ?? {};
  const { output: named, ...rest } = spec;
  const outputId = other === undefined ? named?.datasourceId : other.datasourceId;
  return {
    ...rest,
    tiers: userMessage === undefined ? tiers : tiers.map((tier) => ({ ...tier, userMessage })),
    input: { ...spec.input, datasourceId, ...(filters !== undefined && { filters }) },
    ...(outputId != null && { output: { datasourceId: outputId } }),
    execution: { ...spec.execution, ...params },
  };
}
