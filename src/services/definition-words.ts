/** How definitions are named across systems, and the error of what was deleted. */
import type { Actor, BatchDefinition } from '../domain/model.ts';
import { InvalidStateError } from '../domain/user-error.ts';

/** The stable name of a definition version across systems. */
export const definitionUrn = ({ customerId, projectId }: Pick<Actor, 'customerId' | 'projectId'>, id: string): string =>
  `urn:batchyard:batch-definition:${customerId}:${projectId}:${id}`;

/** The error for whoever would make something new from a version that was deleted; its status is `DELETED`. */
export const definitionDeleted = ({ name, version }: Pick<BatchDefinition, 'name' | 'version'>): InvalidStateError =>
  new InvalidStateError(`Version ${version} of the batch definition ${JSON.stringify(name)} was deleted.`, 'DELETED');
