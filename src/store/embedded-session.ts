/** The one session of the embedded database, which all share. */
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type pg from 'pg';

const BEGIN = /^(begin|start transaction)\b/;

/**
 * What Kysely takes for a pool of connections: statements go out at once and are answered in turn, so that the database
 * need not wait for the service between them. A transaction has the session to itself, from its begin until its
 * connection is given back.
 */
export class EmbeddedSession implements PostgresPool {
  readonly options = {};
  readonly #client: pg.Client;
  /** The end of the transaction that is the last so far to have begun, or to wait for that. */
  #over: Promise<void> = Promise.resolve();

  /** The client must be connected and send what it is asked without waiting for answers (`pipeline`). */
  constructor(client: pg.Client) {
    this.#client = client;
  }

  async connect(): Promise<PostgresPoolClient> {
    return await Promise.resolve(new Connection(this.#client, (over) => this.#takeTurn(over)));
  }

  async end(): Promise<void> {
    await this.#over;
    await this.#client.end();
  }

  /** Resolves when the transactions before are over; those who come later wait for `over`, where it is one. */
  #takeTurn(over: Promise<void> | null): Promise<void> {
    const before = this.#over;
    if (over !== null) this.#over = over;
    return before;
  }
}

class Connection implements PostgresPoolClient {
  readonly #client: pg.Client;
  readonly #turn: (over: Promise<void> | null) => Promise<void>;
  #transaction: PromiseWithResolvers<void> | null = null;

  constructor(client: pg.Client, turn: (over: Promise<void> | null) => Promise<void>) {
    this.#client = client;
    this.#turn = turn;
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    text: string | PostgresCursor<R>,
    values: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof text !== 'string') throw new TypeError('The embedded database has no cursors.');
    return this.#send<R>(text, values);
  }

  release(): void {
    this.#transaction?.resolve();
  }

  async #send<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    if (this.#transaction === null) {
      if (BEGIN.test(text)) this.#transaction = Promise.withResolvers<void>();
      await this.#turn(this.#transaction?.promise ?? null);
    }
    // The driver's own type says less of the command.
    return (await this.#client.query(text, [...values])) as unknown as PostgresQueryResult<R>;
  }
}
