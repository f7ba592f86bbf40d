/**
 * The README's tables of settings and limits, made from the code that they describe.
 *
 * `node test/readme/tables.ts` writes them into the README; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GraphQLObjectType } from 'graphql';
import { SETTINGS } from '../../src/config.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { buildSchema } from '../../src/graphql/schema.ts';

const README = path.join(import.meta.dirname, '..', '..', 'README.md');

/** The README's text with both tables as they should be. */
export function withTables(readme: string): string {
  return replaceTable(replaceTable(readme, 'settings', settingsTable()), 'limits', limitsTable());
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

function replaceTable(readme: string, name: string, lines: readonly string[]): string {
  const [start, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const from = readme.indexOf(start);
  const to = readme.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`The README has no place for the ${name}.`);
  return readme.slice(0, from + start.length) + lines.join('\n') + readme.slice(to);
}

if (import.meta.main) writeFileSync(README, withTables(readFileSync(README, 'utf8')));
