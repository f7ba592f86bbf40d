/**
 * The numbers that changes of a project's executions have, in the order of their commits.
 *
 * A number is taken by adding one to the project's row of `project_change`, whose lock is held until the commit: who
 * sees a number sees every change with a smaller one. Flushes never touch that row. They are followed at a distance:
 * each process gathers which executions it changed, and logs them some times a second, many with one number. Each
 * execution has one row, at its newest change, so the log is as long as there are executions.
 */
import { sql } from 'kysely';
import type { Db, Tx } from './database.ts';

/** A number that a project's changes have come to. */
export interface ProjectHead {
  readonly projectId: string;
  readonly change: number;
}

/** An execution that changed. */
export interface ListedChange {
  readonly id: string;
  readonly change: number;
  readonly deleted: boolean;
}

/** Logs those of the executions whose revision is newer than what was logged; the projects that have a new number. */
export async function logChanges(db: Db, executionIds: readonly string[]): Promise<readonly ProjectHead[]> {
  // Raw: numbers are given and used in one statement. Projects and executions are locked in their order by every call.
  const { rows } = await sql<ProjectHead>`/* logChanges */
with d as materialized (
  select x.id, x.project_id, x.revision, x.ended_at is null as open
  from batch_execution x left join listed_change l on l.id = x.id
  where x.id = any(${executionIds}::text[]) and (l.id is null or l.revision < x.revision)
), c as materialized (
  insert into project_change as p (project_id, change)
  select project_id, 1 from (select distinct project_id from d order by project_id) as changed
  on conflict (project_id) do update set change = p.change + 1
  returning project_id, change
), logged as (
  insert into listed_change as l (id, project_id, change, revision, open)
  select d.id, d.project_id, c.change, d.revision, d.open from d join c on c.project_id = d.project_id order by d.id
  on conflict (id) do update set change = excluded.change, revision = greatest(l.revision, excluded.revision),
    open = case when excluded.revision >= l.revision then excluded.open else l.open end
  where not l.deleted
)
select project_id, change from c`.execute(db);
  return rows;
}

/** Logs that an execution is deleted; in the transaction that deletes it. */
export async function logDeletion(tx: Tx, projectId: string, executionId: string): Promise<void> {
  await sql`/* logDeletion */
with c as materialized (
  insert into project_change as p (project_id, change) values (${projectId}, 1)
  on conflict (project_id) do update set change = p.change + 1
  returning change
)
insert into listed_change as l (id, project_id, change, revision, open, deleted)
select ${executionId}, ${projectId}, c.change, 0, false, true from c
on conflict (id) do update set change = excluded.change, open = false, deleted = true`.execute(tx);
}

/**
 * Executions that changed and were not logged, because the process that changed them died first; at most `limit`.
 *
 * They are among those that are open, or were when they were logged. `whole` also looks for any that never was.
 */
export async function findUnlogged(db: Db, whole: boolean, limit: number): Promise<readonly string[]> {
  const unheardOf = whole ? sql`` : sql`and x.ended_at is null`;
  const { rows } = await sql<{ id: string }>`/* findUnlogged */
select x.id from listed_change l join batch_execution x on x.id = l.id where l.open and l.revision < x.revision
union
select x.id from batch_execution x join listed_change l on l.id = x.id
where x.ended_at is null and l.revision < x.revision
union
select x.id from batch_execution x
where not exists (select from listed_change l where l.id = x.id) ${unheardOf}
limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
}

/** The number that each project's changes have come to; a project without any is left out. */
export async function findHeads(db: Db, projectIds: readonly string[]): Promise<readonly ProjectHead[]> {
  const { rows } = await sql<ProjectHead>`/* findHeads */
select project_id, change from project_change where project_id = any(${projectIds}::text[])`.execute(db);
  return rows;
}

/** A place among the changes of a project: behind this execution in this change. */
export interface ChangePlace {
  readonly change: number;
  readonly id: string;
}

/** Changes of a project behind a place, in order; one more than `limit` says that there are more. */
export async function listChanges(
  db: Db,
  projectId: string,
  after: ChangePlace,
  limit: number,
): Promise<readonly ListedChange[]> {
  const { rows } = await sql<ListedChange>`/* listChanges */
select id, change, deleted from listed_change
where project_id = ${projectId} and (change, id) > (${after.change}::int, ${after.id})
order by change, id limit ${limit + 1}`.execute(db);
  return rows;
}
