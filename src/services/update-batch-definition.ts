import { z } from 'zod';
import type { Actor, BatchDefinition } from '../domain/model.ts';
import { NotFoundError, VersionConflictError } from '../domain/user-error.ts';
import type { Tx } from '../store/database.ts';
import { insertVersion, keepDefinition, lockDefinitions, newestDefinition } from '../store/definition-versions.ts';
import { findDefinition } from '../store/definitions.ts';
import { type PreparedSpec, prepareSpec, specHash, storePrepared } from './batch-spec.ts';
import { definitionDescription } from './create-batch-definition.ts';
import { changedSpec, type SpecChanges } from './definition-changes.ts';
import { definitionRequest, findEarlierVersion, noteRequest } from './definition-request.ts';
import { definitionDeleted, definitionUrn } from './definition-words.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { idempotencyKey, type RequestKey } from './store-execution.ts';

/** Which version to go on from, and what is otherwise in the next one. */
export interface UpdateBatchDefinitionInput {
  readonly batchDefinitionId: string;
  /** The number of the newest version that the caller knows; that of the version by default. */
  readonly expectedVersion?: number | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
  /** Absent: as it is; null: none. */
  readonly description?: string | null | undefined;
  readonly changes?: SpecChanges | null | undefined;
}

/**
 * A new version of a definition that differs from another by some changes; `changed: false` when they change nothing.
 *
 * Of two updates at once the second throws VersionConflictError, unless it comes to the content of the first; so
 * does every update of a version that is not the newest, unless `expectedVersion` names the newest: then its content
 * is that of the next version, also where nothing changes. Needs MEMBER; throws ValidationError, NotFoundError, InvalidStateError for a deleted version, and IdempotencyConflictError.
 */
export async function updateBatchDefinition(
  deps: ServiceDeps,
  actor: Actor,
  input: UpdateBatchDefinitionInput,
): Promise<{ definition: BatchDefinition; changed: boolean }> {
  requireRole(actor, 'MEMBER');
  const request = definitionRequest('update', input);
  const earlier = await findEarlierVersion(deps.db, actor, request);
  if (earlier !== null) return { definition: earlier, changed: false };

  const { batchDefinitionId } = input;
  const base = await findDefinition(deps.db, actor.projectId, batchDefinitionId);
  if (base === null) throw new NotFoundError('batch definition', batchDefinitionId);
  if (base.deletedAt !== null) throw definitionDeleted(base);
  const issues = new IssueList();
  issues.check(idempotencyKey.nullish(), input.idempotencyKey, ['input', 'idempotencyKey']);
  issues.check(z.int().min(1).nullish(), input.expectedVersion, ['input', 'expectedVersion']);
  issues.check(definitionDescription.nullish(), input.description, ['input', 'description']);
  const loc = ['input', 'changes'];
  const spec = changedSpec(base.spec, input.changes ?? {}, loc, issues);
  const prepared = await prepareSpec(deps, actor, spec, loc, issues);
  issues.throwIfAny();
  if (prepared === undefined) throw new Error('A spec without problems was not prepared.');
  const description = input.description === undefined ? base.description : input.description;
  const expected = input.expectedVersion ?? null;
  return await deps.db
    .transaction()
    .execute((tx) => fork(tx, deps, actor, { base, prepared, description, expected, request }));
}

interface Fork {
  readonly base: BatchDefinition;
  readonly prepared: PreparedSpec;
  readonly description: string | null;
  /** The number that the newest version must have; null: that of the base, unless nothing changes. */
  readonly expected: number | null;
  readonly request: RequestKey | null;
}

async function fork(
  tx: Tx,
  deps: ServiceDeps,
  actor: Actor,
  { base, prepared, description, expected, request }: Fork,
): Promise<{ definition: BatchDefinition; changed: boolean }> {
  const { spec } = await storePrepared(tx, deps, actor, prepared);
  await lockDefinitions(tx, actor.projectId);
  // Again, now that no other call with the key can be under way.
  const faster = await findEarlierVersion(tx, actor, request);
  if (faster !== null) return { definition: faster, changed: false };
  if (!(await keepDefinition(tx, actor.projectId, base.id))) throw definitionDeleted(base);

  const hash = specHash(spec);
  const newest = await newestDefinition(tx, actor.projectId, base.name);
  const answer = await version();
  await noteRequest(tx, actor, request, answer.definition.id, deps.now());
  return answer;

  async function version(): Promise<{ definition: BatchDefinition; changed: boolean }> {
    const isSameAsBase = hash === specHash(base.spec) && description === base.description;
    // Whoever names the newest version beside an older one goes back to that, with changes or without.
    if (isSameAsBase && (expected === null || newest?.id === base.id)) return { definition: base, changed: false };
    if (newest !== null && newest.version !== (expected ?? base.version)) {
      // What an equal update, or this one before its answer was lost, came to.
      const { specHash: newestHash, ...definition } = newest;
      const same = definition.parentId === base.id && newestHash === hash && definition.description === description;
      if (same) return { definition, changed: false };
      throw new VersionConflictError(definition, expected ?? base.version);
    }
    const id = deps.newId('BatchDefinition');
    const made = {
      ...{ id, projectId: actor.projectId, name: base.name, urn: definitionUrn(actor, id), description },
      ...{ spec, specHash: hash, createdAt: deps.now(), createdBy: actor.keyId },
    };
    return { definition: await insertVersion(tx, made, base.id), changed: true };
  }
}
