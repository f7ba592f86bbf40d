import { LIMITS } from '../domain/limits.ts';
import type { Actor, BatchDefinition } from '../domain/model.ts';
import { obtainDefinition } from '../store/definitions.ts';
import { prepareSpec, specHash, storePrepared } from './batch-spec.ts';
import { definitionUrn } from './definition-urn.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import type { BatchSpecInput } from './spec-input.ts';
import { storableString } from './storable-string.ts';

const description = storableString(LIMITS.messageLength).nullish();

/** What a new version of a definition is made from. */
export interface CreateBatchDefinitionInput {
  readonly spec: BatchSpecInput;
  /** Kept with a version that is new; not part of its content. */
  readonly description?: string | null | undefined;
}

/**
 * The version of the definition that has this content; `created: false` when it was there before.
 *
 * New content under a known name is the next version, whose parent is the newest before it. Needs MEMBER; throws
 * ValidationError.
 */
export async function createBatchDefinition(
  deps: ServiceDeps,
  actor: Actor,
  input: CreateBatchDefinitionInput,
): Promise<{ definition: BatchDefinition; created: boolean }> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const prepared = await prepareSpec(deps, actor, input.spec, ['input', 'spec'], issues);
  const words = issues.check(description, input.description, ['input', 'description']) ?? null;
  issues.throwIfAny();
  if (prepared === undefined) throw new Error('A spec without problems was not prepared.');
  return await deps.db.transaction().execute(async (tx) => {
    const { spec } = await storePrepared(tx, deps, actor, prepared);
    const id = deps.newId('BatchDefinition');
    return await obtainDefinition(tx, {
      ...{ id, projectId: actor.projectId, name: spec.name, urn: definitionUrn(actor, id), description: words },
      ...{ spec, specHash: specHash(spec), createdAt: deps.now(), createdBy: actor.keyId },
    });
  });
}
