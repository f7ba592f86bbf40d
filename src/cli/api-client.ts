/** A client of the GraphQL API: requests over HTTP, subscriptions over WebSocket. */
import { createClient } from 'graphql-ws';
import { z } from 'zod';

const Answer = z.object({
  data: z.unknown(),
  errors: z.array(z.object({ message: z.string() })).optional(),
});

/** Talks to one service with one key; every answer is checked against the schema that the caller gives. */
export interface ApiClient {
  /** The data of a query or mutation. Throws an Error with the service's messages when it answers errors. */
  request<T>(shape: z.ZodType<T>, document: string, variables?: Record<string, unknown>): Promise<T>;
  /** The events of a subscription, up to the service's end of it; a lost connection is made anew. */
  watch<T>(shape: z.ZodType<T>, document: string, variables?: Record<string, unknown>): AsyncIterable<T>;
  close(): Promise<void>;
}

/** A client of the service whose GraphQL endpoint is `url` (http or https). */
export function createApiClient(url: string, key: string): ApiClient {
  const authorization = `Bearer ${key}`;
  const sockets = createClient({ url: url.replace(/^http/, 'ws'), connectionParams: { authorization } });
  return {
    async request(shape, document, variables = {}) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', authorization },
        body: JSON.stringify({ query: document, variables }),
      });
      return dataOf(shape, await response.json());
    },
    async *watch(shape, document, variables = {}) {
      for await (const event of sockets.iterate({ query: document, variables })) yield dataOf(shape, event);
    },
    close: async () => {
      await sockets.dispose();
    },
  };
}

function dataOf<T>(shape: z.ZodType<T>, answer: unknown): T {
  const { data, errors = [] } = Answer.parse(answer);
  if (errors.length > 0) throw new Error(errors.map((error) => error.message).join('\n'));
  return shape.parse(data);
}
