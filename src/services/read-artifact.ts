import type { Actor, Artifact } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { newestResults, resultsByTier } from '../store/item-output-reads.ts';
import type { ItemKey } from '../store/item-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** Names an artifact of an item's result: of the given tier, of its newest round unless one is given; else of the newest. */
export interface ArtifactKey extends ItemKey {
  readonly artifactId: string;
  readonly tier: number | undefined;
  readonly round: number | undefined;
}

/**
 * An artifact with its content. Throws NotFoundError where there is none with this id, or it is behind a URL: what
 * is there is not this service's to hand out.
 */
export async function readArtifact(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  { artifactId, tier, round, ...key }: ArtifactKey,
): Promise<Artifact & { readonly content: string }> {
  requireRole(actor, 'READER');
  const { projectId } = actor;
  const results =
    tier === undefined
      ? await newestResults(db, projectId, [key])
      : (await resultsByTier(db, projectId, [key], round ?? null)).filter((result) => result.tier === tier);
  const artifact = results[0]?.artifacts.find(({ id }) => id === artifactId);
  if (artifact?.content == null) throw new NotFoundError('artifact with content', artifactId);
  return { ...artifact, content: artifact.content };
}
