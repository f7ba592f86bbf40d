/** How long a connection waits for the answer to a statement before it is given up. */
import type pg from 'pg';

/** How long the server works on a statement before it gives up, in ms. */
export const STATEMENT_TIMEOUT_MS = 120_000;
/** How long a connection is silent before the system asks whether its other end is there; ten seconds later it is not. */
export const KEEP_ALIVE_DELAY_MS = 10_000;

/** How long it may take to make a connection, in ms. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** How long the server may take to say goodbye, in ms. */
const END_TIMEOUT_MS = 2_000;

/** Who waits how long, in ms. */
export interface AnswerLimits {
  /** For what a lane waits for, and for the start and the end of every transaction. */
  readonly laneMs: number;
  /** For every other statement; above the server's own limit, so that a server that is there answers first. */
  readonly otherMs: number;
}

/** What holds where nothing else is said. */
export const ANSWER_LIMITS: AnswerLimits = { laneMs: 15_000, otherMs: STATEMENT_TIMEOUT_MS + 5_000 };

/** Take no longer on a large execution than on a small one. */
const FOR_LANES: ReadonlySet<string> = new Set(['settle', 'claimStretch', 'openExecutions', 'isAlive', 'ping']);
const IN_TRANSACTIONS: ReadonlySet<string> = new Set(['begin', 'commit', 'rollback']);
/** A statement's name: in front of a raw one, behind one that Kysely built. */
const NAME = /^\/\* (\w+) \*\/|\/\* (\w+) \*\/$/;

/**
 * Destroys this connection when an answer is overdue.
 *
 * A connection whose other end is gone without a word would else hold a flush until the system gives up sending it
 * again, which takes a quarter of an hour. Its statement fails as on any broken connection: it may have been done,
 * and only its answer be lost. The connection must not be used again, since a late answer would be taken for that
 * of the next statement. Keep-alive finds such a connection sooner, but only where nothing is on its way.
 */
export function limitAnswers(client: pg.Client, limits: AnswerLimits): void {
  const query: (...args: unknown[]) => unknown = client.query.bind(client);
  Object.assign(client, {
    query: (...args: unknown[]) => {
      const answer = query(...args);
      // A cursor or a call with a callback is nobody's here.
      if (!(answer instanceof Promise)) return answer;
      const ms = limitOf(args[0], limits);
      const timer = setTimeout(() => client.connection.stream.destroy(new NoAnswerError(ms)), ms);
      const clear = (): void => clearTimeout(timer);
      answer.then(clear, clear);
      return answer;
    },
  });
}

/** Waits for connections to end, and cuts off those whose other end says nothing to that. */
export async function endWithin(ended: Promise<unknown>, clients: Iterable<pg.Client>): Promise<void> {
  const timer = setTimeout(() => {
    for (const client of clients) client.connection.stream.destroy();
  }, END_TIMEOUT_MS);
  await ended.finally(() => clearTimeout(timer));
}

class NoAnswerError extends Error {
  readonly code = 'ETIMEDOUT';
  constructor(ms: number) {
    super(`The database did not answer within ${ms} ms; the connection was given up.`);
    this.name = 'NoAnswerError';
  }
}

function limitOf(statement: unknown, { laneMs, otherMs }: AnswerLimits): number {
  if (typeof statement !== 'string') return otherMs;
  if (IN_TRANSACTIONS.has(statement)) return laneMs;
  const [, raw, built] = NAME.exec(statement) ?? [];
  return FOR_LANES.has(raw ?? built ?? '') ? laneMs : otherMs;
}
