/**
 * The tables of settings (README.md) and of limits (docs/limits.md), made from the code that they describe.
 *
 * `node test/readme/tables.ts` writes them into these pages; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GraphQLObjectType } from 'graphql';
import { SETTINGS } from '../../src/config.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { buildSchema } from '../../src/graphql/schema.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

/** Each page that has a table, with how its text should be. */
export function pagesWithTables(): { readonly file: string; readonly text: string; readonly wanted: string }[] {
  const page = (name: string, table: string, lines: readonly string[]) => {
    const file = path.join(ROOT, name);
    const text = readFileSync(file, 'utf8');
    return { file, text, wanted: replaceTable(text, table, lines) };
  };
  return [page('README.md', 'settings', settingsTable()), page('docs/limits.md', 'limits', limitsTable())];
}

function settingsTable(): string[] {
  const rows = SETTINGS.map(({ name, fallback, meaning }) => {
    return `| \`${name}\` | ${fallback === null ? '' : `\`${fallback}\``} | ${meaning} |`;
  });
  return ['| Name | Default | Meaning |', '|---|---|---|', ...rows];
}

function limitsTable(): string[] {
  const type = buildSchema().getType('Limits');
  if (!(type instanceof GraphQLObjectType)) throw new Error('The schema has no type Limits.');
  const fields = type.getFields();
  const rows = Object.entries(LIMITS).map(([name, limit]) => {
    const meaning = fields[name]?.description ?? '';
    return `| \`${name}\` | ${range(limit)} | ${'default' in Object(limit) ? defaultOf(limit) : ''} | ${meaning} |`;
  });
  return ['| Name | Limit | Default | Meaning |', '|---|---|---|---|', ...rows];
}

const grouped = new Intl.NumberFormat('en');

function range(limit: unknown): string {
  if (typeof limit === 'number') return grouped.format(limit);
  const { min, max } = limit as { min?: number; max: number };
  return min === undefined ? grouped.format(max) : `${grouped.format(min)} to ${grouped.format(max)}`;
}

const defaultOf = (limit: unknown): string => grouped.format((limit as { default: number }).default);

function replaceTable(page: string, name: string, lines: readonly string[]): string {
  const [start, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const from = page.indexOf(start);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`The page has no place for the ${name}.`);
  return page.slice(0, from + start.length) + lines.join('\n') + page.slice(to);
}

if (import.meta.main) for (const { file, wanted } of pagesWithTables()) writeFileSync(file, wanted);
