import type { Actor, Project } from '../domain/model.ts';
import { AlreadyExistsError } from '../domain/user-error.ts';
import { findProject, insertProject } from '../store/tenancy.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { namedInput, slugFor } from './tenant-names.ts';

/** What a new project is made from. */
export interface CreateProjectInput {
  readonly name: string;
  /** Made from the name when it is not given. */
  readonly slug?: string | null | undefined;
}

/**
 * A new, empty project of the actor's customer.
 *
 * Needs ADMIN. Throws ValidationError, or AlreadyExistsError when the customer has one with this slug.
 */
export async function createProject(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
  actor: Actor,
  input: CreateProjectInput,
): Promise<Project> {
  requireRole(actor, 'ADMIN');
  const checked = checkInput(namedInput, input);
  const project = {
    id: deps.newId('Project'),
    customerId: actor.customerId,
    slug: slugFor(checked),
    name: checked.name,
    retentionDays: null,
    createdAt: deps.now(),
  };
  if (!(await insertProject(deps.db, project))) {
    const existing = await findProject(deps.db, actor.customerId, project.slug);
    throw new AlreadyExistsError('project', project.slug, existing?.id ?? null);
  }
  return project;
}
