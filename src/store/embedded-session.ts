/** The one session of the embedded database, which all share. */
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type pg from 'pg';

const BEGIN = /^(begin|start transaction)\b/;

/**
 * What Kysely takes for a pool of connections: statements go out at once and are answered in turn, so that the database
 * need not wait for this thread between them. A transaction has the session to itself, from its begin until its
 * connection is given back.
 */
export class EmbeddedSession implements PostgresPool {
  readonly options = {};
  readonly #client: pg.Client;
  /** The end of the transaction that began last, or waits to. */
  #over: Promise<void> = Promise.resolve();

  /** The client must be connected and send what it is asked without waiting for answers (`pipeline`). */
  constructor(client: pg.Client) {
    this.#client = client;
  }

  async connect(): Promise<PostgresPoolClient> {
    let own: PromiseWithResolvers<void> | null = null;
    const query = async (text: unknown, values: readonly unknown[] = []): Promise<unknown> => {
      if (own === null) {
        const before = this.#over;
        if (typeof text === 'string' && BEGIN.test(text)) {
          own = Promise.withResolvers<void>();
          this.#over = own.promise;
        }
        await before;
      }
      return await this.#client.query(text as string, [...values]);
    };
    return await Promise.resolve({
      // Cursors are for those who ask for one, and nobody does.
      query: query as <R>(text: unknown, values?: readonly unknown[]) => Promise<PostgresQueryResult<R>> & never,
      release: () => own?.resolve(),
    });
  }

  async end(): Promise<void> {
    await this.#over;
    await this.#client.end();
  }
}
