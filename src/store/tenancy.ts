/** Customers and their projects. */

import type { Customer, Project } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

/** Stores a customer; `false` when its slug is taken. A running transaction with the same slug is waited for. */
export async function insertCustomer(db: Db, customer: Customer): Promise<boolean> {
  const stored = await named(db, 'insertCustomer')
    .insertInto('customer')
    .values(customer)
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('id')
    .executeTakeFirst();
  return stored !== undefined;
}

/** Whether there is any customer at all; there is none only in a fresh database. */
export async function hasCustomers(db: Db): Promise<boolean> {
  return (
    (await named(db, 'hasCustomers').selectFrom('customer').select('id').limit(1).executeTakeFirst()) !== undefined
  );
}

/** The customer with this id or slug, or null. */
export async function findCustomer(db: Db, reference: string): Promise<Customer | null> {
  const row = await named(db, 'findCustomer')
    .selectFrom('customer')
    .selectAll()
    .where((eb) => eb.or([eb('id', '=', reference), eb('slug', '=', reference)]))
    .executeTakeFirst();
  return row ?? null;
}

/** A page of all customers, oldest first. */
export async function listCustomers(db: Db, page: Page): Promise<readonly Customer[]> {
  return keysetPage(named(db, 'listCustomers').selectFrom('customer').selectAll(), ['createdAt', 'id'], page).execute();
}

/** Stores a project; `false` when the customer has one with this slug. */
export async function insertProject(db: Db, project: Project): Promise<boolean> {
  const stored = await named(db, 'insertProject')
    .insertInto('project')
    .values(project)
    .onConflict((conflict) => conflict.columns(['customerId', 'slug']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return stored !== undefined;
}

/** Changes the customer's project with this id; the project as changed, or null when there is none. */
export async function changeProject(
  db: Db,
  customerId: string,
  id: string,
  change: Partial<Pick<Project, 'name' | 'retentionDays'>>,
): Promise<Project | null> {
  if (Object.keys(change).length === 0) return await findProject(db, customerId, id);
  const row = await named(db, 'changeProject')
    .updateTable('project')
    .set(change)
    .where('customerId', '=', customerId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** The customer's project with this id or slug, or null. */
export async function findProject(db: Db, customerId: string, reference: string): Promise<Project | null> {
  const row = await named(db, 'findProject')
    .selectFrom('project')
    .selectAll()
    .where('customerId', '=', customerId)
    .where((eb) => eb.or([eb('id', '=', reference), eb('slug', '=', reference)]))
    .executeTakeFirst();
  return row ?? null;
}

/** The customer's oldest project, or null when it has none. */
export async function findFirstProject(db: Db, customerId: string): Promise<Project | null> {
  const row = await named(db, 'findFirstProject')
    .selectFrom('project')
    .selectAll()
    .where('customerId', '=', customerId)
    .orderBy('createdAt')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** The oldest project of all, or null in a fresh database. */
export async function findVeryFirstProject(db: Db): Promise<Project | null> {
  const row = await named(db, 'findVeryFirstProject')
    .selectFrom('project')
    .selectAll()
    .orderBy('createdAt')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** A page of the customer's projects, oldest first. */
export async function listProjects(db: Db, customerId: string, page: Page): Promise<readonly Project[]> {
  const query = named(db, 'listProjects').selectFrom('project').selectAll().where('customerId', '=', customerId);
  return keysetPage(query, ['createdAt', 'id'], page).execute();
}

/** A project by its id alone, for a caller that may see every customer's; null when there is none. */
export async function findProjectOfAnyone(db: Db, id: string): Promise<Project | null> {
  return (
    (await named(db, 'findProjectOfAnyone')
      .selectFrom('project')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()) ?? null
  );
}
