/** How nodes on one database know of each other: each holds a session lock named after its id for as long as it lives. */
import pg from 'pg';
import type { IsAlive } from './lanes.ts';

/** The first key of our two-key advisory locks, so that they meet nobody else's. */
const LOCK_CLASS = 0x42_59;
const RECONNECT_MS = 500;

export interface NodePresence {
  readonly isAlive: IsAlive;
  /** Takes this node's lock; resolves once it is held. */
  start(): Promise<void>;
  /** Gives it back. May be repeated. */
  stop(): Promise<void>;
}

/** On the embedded database nobody else can live: the data folder is locked. */
export const SOLE_NODE: NodePresence = {
  isAlive: () => Promise.resolve(false),
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};

/**
 * A node's presence on PostgreSQL, on a connection of its own.
 *
 * The server frees the lock when the process dies, at once, which makes takeovers fast. A lost connection is made
 * anew; in between others may take this node's lanes, and its writes are then refused by their epochs.
 */
export function createNodePresence(url: string, node: string, onError: (error: unknown) => void): NodePresence {
  /** Holds the lock. */
  let client: pg.Client | null = null;
  /** The newest connection, also while it is being made or waits for the lock. */
  let newest: pg.Client | null = null;
  let retry: NodeJS.Timeout | undefined;
  let stopped = false;

  const connect = async (): Promise<void> => {
    const fresh = new pg.Client({ connectionString: url, application_name: 'batchyard node', keepAlive: true });
    newest = fresh;
    fresh.on('error', onError);
    fresh.once('end', () => {
      // One that never held the lock ends here too; whoever made it tries again.
      if (client !== fresh) return;
      client = null;
      reconnectLater();
    });
    try {
      await fresh.connect();
      await fresh.query('select pg_advisory_lock($1::int, hashtext($2))', [LOCK_CLASS, node]);
    } catch (error) {
      await fresh.end();
      throw error;
    }
    client = fresh;
  };
  const reconnectLater = (): void => {
    if (stopped) return;
    retry = setTimeout(() => {
      connect().catch((error: unknown) => {
        if (!stopped) onError(error);
        reconnectLater();
      });
    }, RECONNECT_MS).unref();
  };

  return {
    start: connect,
    async stop() {
      stopped = true;
      clearTimeout(retry);
      client = null;
      await newest?.end();
    },
    async isAlive(other) {
      // Without our own connection nobody can be seen: better to wait than to take a living node's lane.
      if (client === null) return true;
      const { rowCount } = await client.query(
        `select 1 from pg_locks
         where locktype = 'advisory' and granted and objsubid = 2 and classid = $1::int::oid
           and objid = (hashtext($2)::bigint & 4294967295)::oid
           and database = (select oid from pg_database where datname = current_database())`,
        [LOCK_CLASS, other],
      );
      return rowCount !== 0;
    },
  };
}
