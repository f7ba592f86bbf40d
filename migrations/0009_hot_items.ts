/**
 * Room on an item's page for what a flush makes of it, and a guard that costs a flush less.
 *
 * A flush often settles every item of a page in one statement. The settled rows are a quarter larger than the queued
 * ones, and only if all of them find room beside those are they heap-only updates, which touch no index; at 60 % a
 * third did not. The guard comes after the update: before it, each row would be locked first, with a record in the
 * log of its own, only to look at it.
 */
import { type Kysely, sql } from 'kysely';

const GUARD = `
create trigger batch_item_moves after update of status on batch_item for each row
when (old.status <> new.status and (old.status || '>' || new.status) not in (
  'CANCELLED>QUEUED', 'EXPIRED>QUEUED', 'FAILED>QUEUED',
  'QUEUED>CANCELLED', 'QUEUED>EXPIRED', 'QUEUED>FAILED', 'QUEUED>RETRYING', 'QUEUED>RUNNING', 'QUEUED>SUCCEEDED',
  'RETRYING>CANCELLED', 'RETRYING>EXPIRED', 'RETRYING>FAILED', 'RETRYING>RUNNING', 'RETRYING>SUCCEEDED',
  'RUNNING>CANCELLED', 'RUNNING>EXPIRED', 'RUNNING>FAILED', 'RUNNING>QUEUED', 'RUNNING>RETRYING',
  'RUNNING>SUCCEEDED', 'SUCCEEDED>QUEUED'
)) execute function refuse_move()`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table batch_item set (fillfactor = 42)`.execute(db);
  await sql`drop trigger batch_item_moves on batch_item`.execute(db);
  await sql.raw(GUARD).execute(db);
}
