import type { Actor, Customer, Project } from '../domain/model.ts';
import { AlreadyExistsError } from '../domain/user-error.ts';
import { findCustomer, insertCustomer, insertProject } from '../store/tenancy.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { namedInput, slugFor } from './tenant-names.ts';

/** What a new customer is made from. */
export interface CreateCustomerInput {
  readonly name: string;
  /** Made from the name when it is not given. */
  readonly slug?: string | null | undefined;
}

/**
 * A new customer with its first project, `default`.
 *
 * Needs OPERATOR. Throws ValidationError, or AlreadyExistsError when the slug is taken.
 */
export async function createCustomer(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
  actor: Actor,
  input: CreateCustomerInput,
): Promise<{ readonly customer: Customer; readonly project: Project }> {
  requireRole(actor, 'OPERATOR');
  const checked = checkInput(namedInput, input);
  const createdAt = deps.now();
  const customer = { id: deps.newId('Customer'), slug: slugFor(checked), name: checked.name, createdAt };
  const project = {
    id: deps.newId('Project'),
    customerId: customer.id,
    slug: 'default',
    name: 'Default',
    retentionDays: null,
    createdAt,
  };
  const stored = await deps.db.transaction().execute(async (tx) => {
    if (!(await insertCustomer(tx, customer))) return false;
    // A customer always has a project, so that choosing the customer alone is enough to work in it.
    return insertProject(tx, project);
  });
  if (!stored) {
    const existing = await findCustomer(deps.db, customer.slug);
    throw new AlreadyExistsError('customer', customer.slug, existing?.id ?? null);
  }
  return { customer, project };
}
