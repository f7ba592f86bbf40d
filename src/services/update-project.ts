import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Project } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { changeProject } from '../store/tenancy.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { displayName } from './tenant-names.ts';

const { min, max } = LIMITS.retentionDays;
const schema = z.object({
  projectId: z.string(),
  name: displayName.nullish(),
  retentionDays: z.int().min(min).max(max).nullish(),
});

/** What to change of a project; what is absent stays. `retentionDays: null` goes back to the service's setting. */
export type UpdateProjectInput = z.input<typeof schema>;

/**
 * The project as changed. A shorter retention takes effect within a minute: what has outlived it is deleted.
 *
 * Needs ADMIN; throws ValidationError, or NotFoundError for a project of another customer.
 */
export async function updateProject(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  input: UpdateProjectInput,
): Promise<Project> {
  requireRole(actor, 'ADMIN');
  const { projectId, name, retentionDays } = checkInput(schema, input);
  const project = await changeProject(deps.db, actor.customerId, projectId, {
    ...(name != null && { name }),
    ...(retentionDays !== undefined && { retentionDays }),
  });
  if (project === null) throw new NotFoundError('project', projectId);
  return project;
}
