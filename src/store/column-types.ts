/** The kinds of columns that Kysely reads as another type than it writes. */
import type { ColumnType } from 'kysely';

/** A `json` column: read parsed, written as JSON text. */
export type Json<T> = ColumnType<T, string, string>;
/** The same where there may be none. */
export type JsonOrNull<T> = ColumnType<T | null, string | null | undefined, string | null>;
/** When a row was made; the database's clock where none is given. */
export type CreatedAt = ColumnType<Date, Date | undefined, never>;
