/** PostgreSQL through a pool of connections. */
import { once } from 'node:events';
import { CamelCasePlugin, Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';
import {
  ANSWER_LIMITS,
  type AnswerLimits,
  CONNECT_TIMEOUT_MS,
  endWithin,
  KEEP_ALIVE_DELAY_MS,
  limitAnswers,
  STATEMENT_TIMEOUT_MS,
} from './answer-limit.ts';
import { planByIndex, prepareRawStatements } from './prepared.ts';
import type { Database } from './tables.ts';
import { TYPES } from './type-parsers.ts';
import { nameOutages } from './unavailable.ts';

/** PostgreSQL 15, in the form of `server_version_num`. */
const OLDEST_SERVER = 150_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

/** The database server cannot be used as it is; the message says what to change. */
export class UnusableServerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnusableServerError';
  }
}

/** How a pool is opened. */
export interface PostgresOptions {
  readonly url: string;
  /** Most connections at once; 10 when it is not given. */
  readonly poolSize?: number | undefined;
  /** How long a connection waits for answers; 15 s where a lane waits, else 125 s, when it is not given. */
  readonly answerLimits?: AnswerLimits;
  /** Told of connections that broke while nobody used them; the pool has replaced them already. */
  readonly onIdleError: (error: Error) => void;
}

/**
 * A pool on a PostgreSQL server that is there, new enough and in UTF-8.
 *
 * Throws UnusableServerError when it cannot be reached or its version or encoding will not do, and the driver's own
 * error when it refuses the login.
 */
export async function openPostgres(
  options: PostgresOptions,
): Promise<{ db: Kysely<Database>; close(): Promise<void> }> {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize ?? 10,
    application_name: 'batchyard',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: TYPES,
  });
  // Either event without a listener ends the process: a broken idle connection is one, a broken busy one the other.
  pool.on('error', options.onIdleError);
  const clients = new Set<pg.PoolClient>();
  pool.on('remove', (client) => clients.delete(client));
  pool.on('connect', (client) => {
    clients.add(client);
    client.on('error', options.onIdleError);
    prepareRawStatements(client);
    limitAnswers(client, options.answerLimits ?? ANSWER_LIMITS);
    planByIndex(client);
  });
  nameOutages(pool);
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  });
  try {
    await checkServer(db);
  } catch (error) {
    await closePool(db, clients);
    throw unreachable(error, options.url) ?? error;
  }
  return { db, close: () => closePool(db, clients) };
}

async function closePool(db: Kysely<Database>, clients: ReadonlySet<pg.Client>): Promise<void> {
  const ended = Promise.all([...clients].map((client) => once(client, 'end')));
  await db.destroy();
  // The pool is content with having said goodbye.
  await endWithin(ended, clients);
}

async function checkServer(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ version: number; release: string; encoding: string }>`
    select current_setting('server_version_num')::int as version, current_setting('server_version') as release,
      current_setting('server_encoding') as encoding`.execute(db);
  const [server] = rows;
  if (server === undefined) throw new UnusableServerError('The database server did not say its version.');
  if (server.version < OLDEST_SERVER) {
    throw new UnusableServerError(`Batchyard needs PostgreSQL 15 or newer; this server is ${server.release}.`);
  }
  if (server.encoding !== 'UTF8') {
    throw new UnusableServerError(`The database must be in UTF8; this one is in ${server.encoding}.`);
  }
}

/** A connection that was never made, said with the server's address; null when the trouble is another. */
function unreachable(error: unknown, url: string): UnusableServerError | null {
  // A name with several addresses fails with one error for each.
  const cause: unknown = error instanceof ServiceUnavailableError ? error.cause : error;
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  if (!(first instanceof Error) || !('syscall' in first)) return null;
  return new UnusableServerError(`The database server at ${new URL(url).host} cannot be reached: ${first.message}.`);
}
