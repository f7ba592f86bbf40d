import type { Actor } from '../domain/model.ts';

/** The stable name of a definition version across systems. */
export const definitionUrn = ({ customerId, projectId }: Pick<Actor, 'customerId' | 'projectId'>, id: string): string =>
  `urn:batchyard:batch-definition:${customerId}:${projectId}:${id}`;
