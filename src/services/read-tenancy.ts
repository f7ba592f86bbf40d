/** Customers, projects and keys as an actor may see them; what it may not see is null or absent. */
import type { Actor, ApiKey, Customer, Project } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import * as keys from '../store/api-keys.ts';
import * as tenancy from '../store/tenancy.ts';
import type { ServiceDeps } from './ports.ts';
import { includesRole, requireRole } from './require-role.ts';

type Deps = Pick<ServiceDeps, 'db'>;

/** The customer with this id: any for an OPERATOR, else the actor's own; null otherwise. */
export async function getCustomer(deps: Deps, actor: Actor, id: string): Promise<Customer | null> {
  if (id !== actor.customerId && !includesRole(actor.role, 'OPERATOR')) return null;
  return tenancy.findCustomer(deps.db, id);
}

/** A page of all customers, oldest first. Needs OPERATOR. */
export async function listCustomers(deps: Deps, actor: Actor, page: Page): Promise<readonly Customer[]> {
  requireRole(actor, 'OPERATOR');
  return tenancy.listCustomers(deps.db, page);
}

/** The project with this id: any for an OPERATOR, the customer's for an ADMIN, else the actor's own; null otherwise. */
export async function getProject(deps: Deps, actor: Actor, id: string): Promise<Project | null> {
  if (includesRole(actor.role, 'OPERATOR')) return tenancy.findProjectOfAnyone(deps.db, id);
  if (id !== actor.projectId && !includesRole(actor.role, 'ADMIN')) return null;
  return tenancy.findProject(deps.db, actor.customerId, id);
}

/** A page of the customer's projects, oldest first. Needs ADMIN. */
export async function listProjects(deps: Deps, actor: Actor, page: Page): Promise<readonly Project[]> {
  requireRole(actor, 'ADMIN');
  return tenancy.listProjects(deps.db, actor.customerId, page);
}

/** The key with this id: the actor's own, and any of the customer for an ADMIN; null otherwise. */
export async function getApiKey(deps: Deps, actor: Actor, id: string): Promise<ApiKey | null> {
  // The actor may be working in another customer than its key's.
  if (id === actor.keyId) return keys.findOwnApiKey(deps.db, id);
  if (!includesRole(actor.role, 'ADMIN')) return null;
  return keys.findApiKey(deps.db, actor.customerId, id);
}

/** A page of the customer's keys, newest first. Needs ADMIN. */
export async function listApiKeys(deps: Deps, actor: Actor, page: Page): Promise<readonly ApiKey[]> {
  requireRole(actor, 'ADMIN');
  return keys.listApiKeys(deps.db, actor.customerId, page);
}
