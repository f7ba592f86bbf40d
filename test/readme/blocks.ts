/** Finds in a Markdown text the code blocks that are to be run. */

/** A fenced block whose info string has the word `run`. */
export interface RunnableBlock {
  /** The first word of the info string: `sh`, `graphql`. */
  readonly language: string;
  /** The words after `run`, such as a name. */
  readonly words: readonly string[];
  readonly code: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

/** The blocks to run, in order. Fences are three backticks at a line's start. */
export function runnableBlocks(markdown: string): RunnableBlock[] {
  const blocks: RunnableBlock[] = [];
  let open: { words: string[]; line: number; code: string[] } | null = null;
  for (const [index, text] of markdown.split('\n').entries()) {
    if (open === null) {
      if (text.startsWith('```')) open = { words: text.slice(3).trim().split(/\s+/), line: index + 1, code: [] };
    } else if (text.startsWith('```')) {
      const [language = '', run, ...words] = open.words;
      if (run === 'run') blocks.push({ language, words, code: open.code.join('\n'), line: open.line });
      open = null;
    } else open.code.push(text);
  }
  return blocks;
}
