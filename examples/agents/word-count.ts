/**
 * An example of a module agent: counts the words of a document, and how often chosen words occur.
 *
 * Put a file like this into the folder that BATCHYARD_AGENTS_DIR names (`agents` by default). Its name is the
 * agent's name: this one is `word-count`, so a spec says `agent: "word-count"`. TypeScript or JavaScript, one file
 * an agent; it may import other files and installed packages, which become part of its version. A changed file is
 * the agent's next version, without a restart; executions that run keep the version they started with.
 *
 * Nothing has to be imported from Batchyard. The type import below is for the editor and is gone when the file runs:
 * it works in a folder inside this repository. Elsewhere leave it out, with the types that use it.
 */
import type { AgentModule, ContextWith } from 'batchyard/agent';

interface Config {
  words?: string[];
}

async function run({ item, config, signal, log }: ContextWith<Config>) {
  const text = await item.text();
  // What is thrown is the item's error. `category: 'VALIDATION'` says that trying again would not help.
  if (text.trim() === '')
    throw Object.assign(new Error('The document is empty.'), { code: 'empty', category: 'VALIDATION' });

  const counts = new Map((config.words ?? []).map((word) => [word.toLowerCase(), 0]));
  let words = 0;
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    // Long work looks at the signal: it aborts on cancel, on the item's timeout and when the service stops.
    signal.throwIfAborted();
    words += 1;
    const count = counts.get(word);
    if (count !== undefined) counts.set(word, count + 1);
  }
  log(`${words} words in ${item.filename}`);

  // What is returned is the item's data. With `fieldErrors` the item succeeds, and the flaws are shown beside it.
  const data = { words, counts: Object.fromEntries(counts) };
  const fieldErrors = [...counts]
    .filter(([, count]) => count === 0)
    .map(([word]) => ({ path: `/counts/${word}`, code: 'word_not_found', message: `"${word}" does not occur.` }));
  return { data, fieldErrors };
}

export default {
  description: 'Counts the words of a text, and how often chosen words occur.',
  // JSON Schema: a config that does not fit is refused when the batch is created, not item by item.
  configSchema: {
    type: 'object',
    additionalProperties: false,
    properties: { words: { type: 'array', items: { type: 'string', pattern: '^[^/~]+$' }, maxItems: 100 } },
  },
  run,
} satisfies AgentModule<Config>;
