/** Tells a server that is away from everything else that can go wrong with a statement. */
import type pg from 'pg';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';

/** SQLSTATEs of a server that ends, starts or has no connection left, and of connections that broke. */
const AWAY_STATES = /^(08...|57P0[1-3]|53300)$/;
/** What a network says of a peer that is not there. */
const AWAY_CODES: ReadonlySet<unknown> = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH ENOENT'.split(' '),
);
/** What the driver says in words only. */
const AWAY_WORDS =
  /^(Connection terminated|Client has encountered a connection error|timeout expired|timeout exceeded)/;

/** Makes a pool, and each connection that it gives out, throw ServiceUnavailableError where the server is away. */
export function nameOutages(pool: pg.Pool): void {
  const connect = pool.connect.bind(pool);
  Object.assign(pool, { connect: () => connect().catch(rethrow) });
  pool.on('connect', nameOutagesOf);
}

/** Makes a connection throw ServiceUnavailableError where its server is away. */
export function nameOutagesOf(client: pg.Client): void {
  const query: (...args: unknown[]) => unknown = client.query.bind(client);
  Object.assign(client, {
    query: (...args: unknown[]) => {
      const answer = query(...args);
      return answer instanceof Promise ? answer.catch(rethrow) : answer;
    },
  });
}

function rethrow(error: unknown): never {
  throw isOutage(error) ? new ServiceUnavailableError(error) : error;
}

function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // A name with several addresses fails with one error for each.
  if (error instanceof AggregateError) return error.errors.some(isOutage);
  const code: unknown = Reflect.get(error, 'code');
  return AWAY_CODES.has(code) || AWAY_WORDS.test(error.message) || (typeof code === 'string' && AWAY_STATES.test(code));
}
