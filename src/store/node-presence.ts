/** How nodes on one database know of each other: each holds a session lock named after its id for as long as it lives. */
import { hostname } from 'node:os';
import { nanoid } from 'nanoid';
import pg from 'pg';
import { ANSWER_LIMITS, CONNECT_TIMEOUT_MS, endWithin, KEEP_ALIVE_DELAY_MS, limitAnswers } from './answer-limit.ts';
import type { IsAlive } from './lanes.ts';

/** The first key of our two-key advisory locks, so that they meet nobody else's. */
const LOCK_CLASS = 0x42_59;
const RECONNECT_MS = 500;
/** How long a lock must have been free before its node counts as dead: it may be making its connection anew. */
const GRACE_MS = 3_000;

// Else a server takes two hours to see that a node is gone whose machine is, and holds its lock as long.
const SERVER_KEEP_ALIVE = 'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 5';

/** A new id for this process, which also says where it runs. */
export const makeNodeId = (): string => `${nanoid()}.${process.pid}.${hostname()}`;

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
 * The server frees the lock at once when the process dies. Since a lost connection frees it too, a free lock counts
 * only after a grace time, unless the process is known to be gone: it ran on this machine. A node that is without its
 * connection for longer loses its lanes, and its writes are then refused by their epochs.
 */
export function createNodePresence(
  url: string,
  node: string,
  onError: (error: unknown) => void,
  graceMs = GRACE_MS,
): NodePresence {
  /** Holds the lock. */
  let client: pg.Client | null = null;
  /** The newest connection, also while it is being made or waits for the lock. */
  let newest: pg.Client | null = null;
  let retry: NodeJS.Timeout | undefined;
  let stopped = false;
  /** When the lock of another node was first seen free. */
  const freeSince = new Map<string, number>();

  const connect = async (): Promise<void> => {
    const fresh = new pg.Client({
      ...{ connectionString: url, application_name: 'batchyard node' },
      ...{ keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS },
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    limitAnswers(fresh, ANSWER_LIMITS);
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
      await fresh.query(SERVER_KEEP_ALIVE);
      await fresh.query('select pg_advisory_lock($1::int, hashtext($2))', [LOCK_CLASS, node]);
    } catch (error) {
      await endWithin(fresh.end(), [fresh]);
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
      if (newest !== null) await endWithin(newest.end(), [newest]);
    },
    async isAlive(other) {
      // Without our own connection nobody can be seen: better to wait than to take a living node's lane.
      if (client === null) return true;
      const { rowCount } = await client.query(
        `/* isAlive */ select 1 from pg_locks
         where locktype = 'advisory' and granted and objsubid = 2 and classid = $1::int::oid
           and objid = (hashtext($2)::bigint & 4294967295)::oid
           and database = (select oid from pg_database where datname = current_database())`,
        [LOCK_CLASS, other],
      );
      if (rowCount !== 0) {
        freeSince.delete(other);
        return true;
      }
      if (isGoneHere(other)) return false;
      const since = freeSince.get(other) ?? performance.now();
      freeSince.set(other, since);
      return performance.now() - since < graceMs;
    },
  };
}

/** Whether the node ran on this machine and its process is no more; the lock it does not hold is known to be free. */
function isGoneHere(node: string): boolean {
  const [, pid = '', ...host] = node.split('.');
  if (host.join('.') !== hostname()) return false;
  if (Number(pid) === process.pid) return true;
  try {
    // Signal 0 only asks whether there is such a process.
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && Reflect.get(error, 'code') === 'ESRCH';
  }
}
