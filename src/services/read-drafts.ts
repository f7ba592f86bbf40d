/** Reading what drafts have gathered so far. */
import type { Actor } from '../domain/model.ts';
import { type Draft, findDrafts } from '../store/drafts.ts';
import type { ServiceDeps } from './ports.ts';

export type { Draft };

/** The executions with these ids as drafts, in the order of the ids; null for one that is not in DRAFT. */
export async function readDrafts(
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  ids: readonly string[],
): Promise<readonly (Draft | null)[]> {
  const found = new Map((await findDrafts(db, projectId, ids)).map((draft) => [draft.id, draft]));
  return ids.map((id) => {
    const draft = found.get(id);
    return draft?.status === 'DRAFT' ? draft : null;
  });
}
