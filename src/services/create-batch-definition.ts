import { LIMITS } from '../domain/limits.ts';
import type { Actor, BatchDefinition } from '../domain/model.ts';
import { lockDefinitions, obtainDefinition } from '../store/definition-versions.ts';
import { setImplicit } from '../store/implicit-definitions.ts';
import { prepareSpec, specHash, storePrepared } from './batch-spec.ts';
import { definitionRequest, findEarlierVersion, noteRequest } from './definition-request.ts';
import { definitionUrn } from './definition-words.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import type { BatchSpecInput } from './spec-input.ts';
import { storableString } from './storable-string.ts';
import { idempotencyKey } from './store-execution.ts';

/** The rule of a version's description. */
export const definitionDescription = storableString(LIMITS.messageLength);

/** What a new version of a definition is made from. */
export interface CreateBatchDefinitionInput {
  /** A repeat with equal input answers the version that the first call came to. */
  readonly idempotencyKey?: string | null | undefined;
  readonly spec: BatchSpecInput;
  /** Kept with a version that is new; not part of its content. */
  readonly description?: string | null | undefined;
}

/**
 * The version of the definition that has this content; `created: false` when it was there before.
 *
 * New content under a known name is the next version, whose parent is the newest before it. Needs MEMBER; throws
 * ValidationError, and IdempotencyConflictError when the key was used with other input.
 */
export async function createBatchDefinition(
  deps: ServiceDeps,
  actor: Actor,
  input: CreateBatchDefinitionInput,
): Promise<{ definition: BatchDefinition; created: boolean }> {
  requireRole(actor, 'MEMBER');
  const request = definitionRequest('create', input);
  const earlier = await findEarlierVersion(deps.db, actor, request);
  if (earlier !== null) return { definition: earlier, created: false };

  const issues = new IssueList();
  issues.check(idempotencyKey.nullish(), input.idempotencyKey, ['input', 'idempotencyKey']);
  const prepared = await prepareSpec(deps, actor, input.spec, ['input', 'spec'], issues);
  const words = issues.check(definitionDescription.nullish(), input.description, ['input', 'description']) ?? null;
  issues.throwIfAny();
  if (prepared === undefined) throw new Error('A spec without problems was not prepared.');
  return await deps.db.transaction().execute(async (tx) => {
    const { spec } = await storePrepared(tx, deps, actor, prepared);
    await lockDefinitions(tx, actor.projectId);
    // Again, now that no other call with the key can be under way.
    const faster = await findEarlierVersion(tx, actor, request);
    if (faster !== null) return { definition: faster, created: false };
    const id = deps.newId('BatchDefinition');
    const obtained = await obtainDefinition(tx, {
      ...{ id, projectId: actor.projectId, name: spec.name, urn: definitionUrn(actor, id), description: words },
      ...{ spec, specHash: specHash(spec), createdAt: deps.now(), createdBy: actor.keyId },
    });
    if (!obtained.created) await setImplicit(tx, obtained.definition.id, false);
    await noteRequest(tx, actor, request, obtained.definition.id, deps.now());
    return obtained;
  });
}
