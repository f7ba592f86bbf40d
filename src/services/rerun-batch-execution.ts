/** Running a past execution again, as a new one. */
import { z } from 'zod';
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import { AGENT_VERSION_CHOICES } from '../domain/retry-selection.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { newestDefinition } from '../store/definition-versions.ts';
import { findDefinition } from '../store/definitions.ts';
import { findExecution } from '../store/execution-rows.ts';
import { checkOutput, refuseLoop } from './batch-output.ts';
import { pinSpec } from './batch-spec.ts';
import { checkInput } from './check-input.ts';
import { definitionDeleted } from './definition-words.ts';
import { deadline } from './execution-control.ts';
import { IssueList } from './issue-list.ts';
import { ownJson } from './own-json.ts';
import { checkMessage, keepVersions } from './pin-agents.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { findEarlierExecution, idempotencyKey, type Recipe, storeExecution } from './store-execution.ts';

const schemaAt = (now: Date) =>
  z.object({
    batchExecutionId: z.string(),
    definitionVersion: z.enum(AGENT_VERSION_CHOICES).nullish(),
    agentVersion: z.enum(AGENT_VERSION_CHOICES).nullish(),
    idempotencyKey: idempotencyKey.nullish(),
    metadata: ownJson(LIMITS.metadataBytes).optional(),
    deadlineAt: deadline(now).nullish(),
  });

/** Which execution to run again, and what is otherwise. */
export type RerunBatchExecutionInput = z.input<ReturnType<typeof schemaAt>>;

/**
 * Makes an execution with the recipe, the overrides, the metadata and the controls of another, but for its deadline.
 *
 * What it reads is looked up anew: a draft's own items are the same, a datasource has what it has now. Needs MEMBER;
 * throws ValidationError, NotFoundError, InvalidStateError for a draft and for a definition that was deleted, and
 * IdempotencyConflictError.
 */
export async function rerunBatchExecution(
  deps: ServiceDeps,
  actor: Actor,
  input: RerunBatchExecutionInput,
): Promise<{ execution: Execution; created: boolean }> {
  requireRole(actor, 'MEMBER');
  const key = input.idempotencyKey ?? null;
  const request = key === null ? null : { key, hash: contentHash({ ...input, idempotencyKey: 'rerun' }) };
  // Asked first: a repeat must be answered also when what it names has changed or gone since.
  const earlier = await findEarlierExecution(deps, actor, request);
  if (earlier !== null) return { execution: earlier, created: false };

  const checked = checkInput(schemaAt(deps.now()), input);
  const past = await findExecution(deps.db, actor.projectId, checked.batchExecutionId);
  if (past === undefined) throw new NotFoundError('batch execution', checked.batchExecutionId);
  if (past.status === 'DRAFT') throw new InvalidStateError('The execution is a DRAFT: it has not run yet.', 'DRAFT');
  const { priority, sampleSize, toleratedFailures: count, toleratedFailurePercent: percent } = past;
  return await storeExecution(deps, actor, {
    recipe: await recipeOf(
      deps,
      actor,
      past,
      checked.definitionVersion === 'LATEST',
      checked.agentVersion === 'LATEST',
    ),
    overrides: past.inputOverrides,
    controls: { priority, sampleSize, toleratedFailures: { count, percent }, deadlineAt: checked.deadlineAt },
    metadata: input.metadata === undefined ? past.metadata : input.metadata,
    draftItems: null,
    request,
    rerunOf: past.id,
  });
}

/** What the past execution ran, its definition and its agents as they were or as they are now. */
async function recipeOf(
  deps: ServiceDeps,
  actor: Actor,
  past: Execution,
  newestVersion: boolean,
  newestAgents: boolean,
): Promise<Recipe> {
  const ran = await findDefinition(deps.db, actor.projectId, past.definitionId);
  if (ran === null) throw new NotFoundError('batch definition', past.definitionId);
  const definition = newestVersion ? await newestDefinition(deps.db, actor.projectId, ran.name) : ran;
  if (definition === null || definition.deletedAt !== null) throw definitionDeleted(ran);
  const issues = new IssueList();
  const loc = ['input', 'batchExecutionId'];
  const { output, userMessage } = past.inputOverrides ?? {};
  let { tiers } = past.spec;
  if (newestAgents || definition.id !== ran.id) {
    const pinned = await pinSpec(deps, actor, definition.spec, past.inputOverrides, loc, issues);
    tiers = pinned?.tiers ?? [];
    if (!newestAgents) tiers = await keepVersions(deps, tiers, past.spec.tiers, loc, issues);
  }
  // The items of a draft are its own, whatever its definition reads.
  const isOwn = past.inputDatasourceId !== ran.spec.input.datasourceId;
  // The overrides were checked against what ran; what runs now may be something else.
  for (const { agentVersionId } of tiers) await checkMessage(deps, agentVersionId, userMessage, loc, issues);
  const named = await checkOutput(deps.db, actor, output, loc, issues);
  refuseLoop(isOwn ? past.inputDatasourceId : definition.spec.input.datasourceId, named, loc, issues);
  issues.throwIfAny();
  return { definition, tiers, ...(isOwn && { datasourceId: past.inputDatasourceId }) };
}
