/** What the demo shows of a batch that has ended: a table of results, and the errors by their code. */
import Table from 'cli-table3';

/** A document with what the agent said of it. */
export interface DocumentResult {
  readonly filename: string;
  readonly words: number;
  readonly readingEase: number | null;
  readonly headings: number;
  readonly links: number;
  readonly broken: number;
  /** Most used first. */
  readonly languages: readonly string[];
}

/** Failed items with one code. */
export interface ErrorGroup {
  readonly code: string;
  readonly count: number;
  readonly message: string;
  /** Some of the filenames. */
  readonly examples: readonly string[];
}

const FILENAME_WIDTH = 44;

/** The documents as a table, in the order given. */
export function resultTable(documents: readonly DocumentResult[]): string {
  const table = new Table({
    head: ['Document', 'Words', 'Reading ease', 'Headings', 'Links', 'Broken', 'Code'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { filename, words, readingEase, headings, links, broken, languages } of documents) {
    const ease = readingEase === null ? '' : readingEase.toFixed(1);
    table.push([clipStart(filename), words, ease, headings, links, broken, languages.slice(0, 3).join(', ')]);
  }
  return table.toString();
}

/** The errors as lines of text; empty when there are none. */
export function errorLines(groups: readonly ErrorGroup[]): string[] {
  return groups.flatMap(({ code, count, message, examples }) => [
    `  ${code}: ${count} ${count === 1 ? 'document' : 'documents'}. ${message}`,
    ...examples.map((filename) => `    ${filename}`),
  ]);
}

/** The end of a path says more than its beginning. */
const clipStart = (text: string): string =>
  text.length <= FILENAME_WIDTH ? text : `…${text.slice(text.length - FILENAME_WIDTH + 1)}`;
