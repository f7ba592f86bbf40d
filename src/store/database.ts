import type { Kysely, Transaction } from 'kysely';
import type { Database } from './tables.ts';

/** The database, on PostgreSQL or embedded. */
export type Db = Kysely<Database>;
/** An open transaction; functions that need atomicity ask for this type. */
export type Tx = Transaction<Database>;
