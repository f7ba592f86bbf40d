/** Runs the README's GraphQL examples against a service, in their order. */
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import type { RunnableBlock } from './blocks.ts';

const SUBSCRIPTION_DEADLINE_MS = 60_000;

/** Runs one example after another; what one answers, the next can name. */
export interface ExampleRunner {
  /** What the example answered, in a few words. Throws when it answers an error, or nothing. */
  run(block: RunnableBlock): Promise<string>;
  close(): Promise<void>;
}

/**
 * A runner on the service at `url`.
 *
 * A variable `$id` is the id of the execution that an example answered last: the README tells its reader to put
 * that in.
 */
export function exampleRunner(url: string, key: string): ExampleRunner {
  const authorization = `Bearer ${key}`;
  const sockets = createClient({ url: url.replace(/^http/, 'ws'), connectionParams: { authorization } });
  let executionId: string | null = null;

  async function request(query: string, variables: Record<string, unknown>): Promise<unknown> {
    const headers = { 'content-type': 'application/json', authorization };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
    return response.json();
  }

  async function subscribe(query: string, variables: Record<string, unknown>): Promise<number> {
    let events = 0;
    const stream = sockets.iterate({ query, variables });
    const timer = setTimeout(() => void stream.return?.(), SUBSCRIPTION_DEADLINE_MS);
    for await (const event of stream) {
      checkAnswer(event);
      events += 1;
    }
    clearTimeout(timer);
    if (events === 0) throw new Error('The subscription ended without an event.');
    return events;
  }

  return {
    async run({ code }) {
      const operation = getOperationAST(parse(code));
      if (operation == null) throw new Error('An example needs exactly one operation.');
      const wantsId = operation.variableDefinitions?.some((definition) => definition.variable.name.value === 'id');
      if (wantsId === true && executionId === null)
        throw new Error('No example before this one answered an execution.');
      const variables = wantsId === true ? { id: executionId } : {};
      if (operation.operation === 'subscription') return `${await subscribe(code, variables)} events`;
      const answer = await request(code, variables);
      checkAnswer(answer);
      executionId = /"(exec_[\w-]{21})"/.exec(JSON.stringify(answer))?.[1] ?? executionId;
      return JSON.stringify(answer).slice(0, 150);
    },
    close: async () => {
      await sockets.dispose();
    },
  };
}

/** Throws for top-level errors, and for a mutation that answered one of its typed errors. */
function checkAnswer(answer: unknown): void {
  const { data, errors } = answer as { data?: Record<string, unknown>; errors?: unknown[] };
  if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors ?? answer));
  for (const [name, value] of Object.entries(data)) {
    if (value === null) throw new Error(`${name} answered null.`);
    if (typeof value === 'object' && 'code' in value && 'message' in value) throw new Error(JSON.stringify(value));
  }
}
