/** A client of the whole schema, by whatever way its requests go. */
import { expect } from 'vitest';
import { type Answer, dig } from './server.ts';
import { until } from './until.ts';

/** What tests ask of a service. */
export interface SchemaClient {
  /** The answer as it came. */
  post(query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** What the first field answers; errors of the top level fail the test. */
  ask(query: string, variables?: Record<string, unknown>): Promise<unknown>;
  /** What a mutation with one `input` answers: its type, `selection`, and whatever error it gives. */
  mutate(name: string, selection: string, input: Record<string, unknown>): Promise<unknown>;
  /** `selection` of an execution once it has ended. */
  ended(executionId: unknown, selection: string): Promise<unknown>;
}

const ERROR_FIELDS = {
  ValidationError: 'issues { loc msg type }',
  InvalidStateError: 'status',
  VersionConflictError: 'newestId newestVersion',
  IdempotencyConflictError: 'existingId',
};

/** A client whose operations go out by `post`. */
export function schemaClient(post: SchemaClient['post']): SchemaClient {
  const ask: SchemaClient['ask'] = async (query, variables = {}) => {
    const answer = await post(query, variables);
    expect(answer.errors).toBeUndefined();
    return Object.values(answer.data ?? {})[0];
  };
  return {
    ...{ post, ask },
    async mutate(name, selection, input) {
      const { data } = await post(`{ __type(name: "${capital(name)}Result") { possibleTypes { name } } }`);
      const types = JSON.stringify(dig(data, '__type', 'possibleTypes'));
      const errors = Object.entries(ERROR_FIELDS).flatMap(([type, fields]) =>
        types.includes(`"${type}"`) ? `... on ${type} { ${fields} }` : [],
      );
      const query = `mutation ($input: ${capital(name)}Input!) { ${name}(input: $input) { __typename
        ... on ${capital(name)}Success { ${selection} } ... on UserError { code message } ${errors.join(' ')} } }`;
      return await ask(query, { input });
    },
    ended: (id, selection) =>
      until(async () => {
        const query = `query ($id: ID!) { batchExecution(id: $id) { endedAt ${selection} } }`;
        const execution = await ask(query, { id });
        return dig(execution, 'endedAt') === null ? null : execution;
      }),
  };
}

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
