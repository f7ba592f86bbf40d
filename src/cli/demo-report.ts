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

/** What went wrong in one way: flaws of documents, or documents that failed. */
export interface ErrorGroup {
  readonly code: string;
  readonly count: number;
  readonly documents: number;
  /** Some of them: `filename: message`. */
  readonly examples: readonly string[];
}

const WIDEST_NAME = 48;
const NARROWEST_NAME = 20;
/** What the columns of numbers take, with their borders. */
const NUMBERS_WIDTH = 48;
const CODE_WIDTH = 24;
/** From this width of the terminal on there is room for the languages. */
const WIDE_TERMINAL = 100;

/** The documents as a table that fits a terminal of that many columns (from 80 on), in the order given. */
export function resultTable(documents: readonly DocumentResult[], columns: number): string {
  const wide = columns >= WIDE_TERMINAL;
  const space = columns - NUMBERS_WIDTH - (wide ? CODE_WIDTH : 0);
  const nameWidth = Math.min(WIDEST_NAME, Math.max(NARROWEST_NAME, space));
  const table = new Table({
    head: ['Document', 'Words', 'Ease', 'Headings', 'Links', 'Broken', ...(wide ? ['Code'] : [])],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { filename, words, readingEase, headings, links, broken, languages } of documents) {
    const ease = readingEase === null ? '' : readingEase.toFixed(1);
    const code = wide ? [languages.join(', ').slice(0, CODE_WIDTH - 3)] : [];
    table.push([clipStart(filename, nameWidth), words, ease, headings, links, broken, ...code]);
  }
  return table.toString();
}

/** The groups as lines of text, examples below each. */
export function errorLines(groups: readonly ErrorGroup[]): string {
  const lines = groups.flatMap(({ code, count, documents, examples }) => [
    `  ${code}: ${count} in ${documents} ${documents === 1 ? 'document' : 'documents'}, such as`,
    ...examples.map((example) => `    ${example}`),
  ]);
  return lines.join('\n');
}

/** The end of a path says more than its beginning. */
const clipStart = (text: string, width: number): string =>
  text.length <= width ? text : `…${text.slice(text.length - width + 1)}`;
