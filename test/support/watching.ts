/** Watching an execution over WebSocket as a client would, and moving it as an engine would. */
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Db } from '../../src/store/database.ts';
import { addChange } from './execution-rows.ts';
import type { ExecutionServer } from './execution-server.ts';

/** The subscription that `watch` makes unless it is given another. */
export const WATCH = `subscription ($id: ID!, $afterRevision: Int) { batchExecutionUpdated(id: $id, afterRevision: $afterRevision) {
  revision batchExecution { id status revision counts { total queued succeeded } }
  changedItems { ordinal revision } changedItemsTruncated } }`;

/** An event of WATCH. */
export interface WatchEvent {
  readonly revision: number;
  readonly batchExecution: { readonly status: string; readonly revision: number };
  readonly changedItems: readonly { readonly ordinal: number; readonly revision: number }[];
  readonly changedItemsTruncated: boolean;
}

/** A client that does not connect again, and every socket that it opened, to break or pause. */
export function clientWithSockets(server: { url: string }, key: string): { client: Client; sockets: WebSocket[] } {
  const sockets: WebSocket[] = [];
  class KeptSocket extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols);
      this.on('error', () => undefined);
      sockets.push(this);
    }
  }
  const url = `${server.url.replace('http', 'ws')}/graphql`;
  const connectionParams = { authorization: `Bearer ${key}` };
  return { client: createClient({ url, webSocketImpl: KeptSocket, retryAttempts: 0, connectionParams }), sockets };
}

/** A subscription, everything that it got, and how it ended. */
export function watch(client: Client, variables: { id: string; afterRevision?: number | null }, query = WATCH) {
  const events: WatchEvent[] = [];
  const errors: unknown[] = [];
  const ended = Promise.withResolvers<'completed' | 'failed'>();
  const leave = client.subscribe<{ batchExecutionUpdated: WatchEvent }>(
    { query, variables },
    {
      next: ({ data, errors: some }) => {
        if (data) events.push(data.batchExecutionUpdated);
        if (some) errors.push(...some);
      },
      error: (error) => {
        errors.push(...(Array.isArray(error) ? error : [error]));
        ended.resolve('failed');
      },
      complete: () => ended.resolve('completed'),
    },
  );
  return { events, errors, leave, ended: ended.promise };
}

/** Commits a revision that changes items, and tells of it. */
export async function change(
  db: Db,
  server: ExecutionServer,
  id: string,
  revision: number,
  ordinals: readonly number[],
): Promise<void> {
  await addChange(db, id, revision, ordinals);
  server.publish(id, revision);
}

/** Commits the execution's end, and tells of it. */
export async function finish(db: Db, server: ExecutionServer, id: string, revision: number): Promise<void> {
  const counts = { total: 0, queued: 0 };
  await db
    .updateTable('batchExecution')
    .set({ status: 'COMPLETED', endedAt: new Date(), revision, ...counts })
    .where('id', '=', id)
    .execute();
  server.publish(id, revision);
}
