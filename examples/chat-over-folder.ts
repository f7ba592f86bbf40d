/**
 * An example of a client: asks a chat model about every file of a folder, and writes the answers as JSON lines.
 *
 * Any server of the OpenAI API's shape will do, such as one on this machine (Ollama, llama.cpp, vLLM):
 *
 *     ollama serve & ollama pull llama3.2
 *     BATCHYARD_FOLDERS_DIR=~/texts BATCHYARD_ALLOW_PRIVATE_HOSTS=127.0.0.1 npm start
 *     node examples/chat-over-folder.ts --key <key> --llm http://127.0.0.1:11434/v1 --model llama3.2
 *
 * The operator allows the private host, the files are in `~/texts/default` (the first project's folder), and the key
 * is one of that project. Run again, it gives the agent what is asked for then, and reads the files as they are then.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:4000/graphql' },
    key: { type: 'string', default: '' },
    llm: { type: 'string', default: 'http://127.0.0.1:11434/v1' },
    model: { type: 'string', default: 'llama3.2' },
    glob: { type: 'string', default: '**/*.{md,txt}' },
    question: { type: 'string', default: 'What is {{filename}} about? One sentence.' },
  },
});

interface Item {
  readonly filename: string;
  readonly data: { readonly answer: string; readonly topics: readonly string[] } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** The first field of the answer. Throws what the service refuses. */
async function ask(query: string, variables: object): Promise<Record<string, unknown>> {
  const response = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${options.key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as {
    data?: Record<string, Record<string, unknown>>;
    errors?: unknown;
  };
  const [first] = Object.values(data ?? {});
  if (errors !== undefined || first === undefined) throw new Error(JSON.stringify(errors));
  // ALREADY_EXISTS is fine: an earlier run made it.
  if (typeof first['code'] === 'string' && first['code'] !== 'ALREADY_EXISTS') throw new Error(JSON.stringify(first));
  return first;
}

const ERRORS = '... on UserError { code message } ... on ValidationError { issues { loc msg } }';

async function main(): Promise<void> {
  const chat = {
    ...{ baseURL: options.llm, model: options.model, temperature: 0, timeoutMs: 120_000 },
    system: 'You read documents and answer in JSON.',
    responseFormat: {
      type: 'JSON_SCHEMA',
      schema: {
        ...{ type: 'object', additionalProperties: false, required: ['answer', 'topics'] },
        properties: { answer: { type: 'string' }, topics: { type: 'array', items: { type: 'string' } } },
      },
    },
    documents: { maxLength: 50_000, tooLong: 'CUT' },
  };
  const name = 'chat-over-folder';
  const config = { chat };
  const { existingId } = await ask(
    `mutation ($input: CreateAgentInput!) { createAgent(input: $input) {
      __typename ... on AlreadyExistsError { existingId } ${ERRORS} } }`,
    { input: { name, config } },
  );
  if (existingId !== undefined) {
    await ask(`mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { __typename ${ERRORS} } }`, {
      input: { agentId: existingId, config },
    });
  }
  const folder = await ask(
    `mutation ($input: CreateFolderDatasourceInput!) { createFolderDatasource(input: $input) {
      ... on CreateFolderDatasourceSuccess { datasource { id } } ... on AlreadyExistsError { existingId } ${ERRORS} } }`,
    { input: { name: `${name} ${options.glob}`, glob: options.glob } },
  );
  const datasourceId = folder['existingId'] ?? (folder['datasource'] as { id: string }).id;
  const spec = {
    ...{ name, agent: name, userMessage: options.question, input: { datasourceId } },
    // A model on one's own machine answers few at a time. An answer that misses the schema is asked for once more.
    execution: { concurrency: 4, retryRules: [{ category: 'VALIDATION', retryLimit: 1 }] },
  };
  const created = await ask(
    `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) {
      ... on CreateBatchExecutionSuccess { batchExecution { id } } ${ERRORS} } }`,
    { input: { source: { spec } } },
  );
  const { id } = created['batchExecution'] as { id: string };
  await waitForEnd(id);
  const { items } = (await ask(
    'query ($id: ID!) { batchExecution(id: $id) { items(first: 1000) { nodes { filename data error { code message } } } } }',
    { id },
  )) as { items: { nodes: readonly Item[] } };
  for (const { filename, data, error } of items.nodes) console.log(JSON.stringify({ filename, ...data, error }));
}

async function waitForEnd(id: string): Promise<void> {
  for (;;) {
    const state = await ask(
      'query ($id: ID!) { batchExecution(id: $id) { status endedAt counts { total succeeded failed } } }',
      { id },
    );
    console.error(JSON.stringify(state));
    if (state['endedAt'] !== null) return;
    await delay(1_000);
  }
}

await main();
