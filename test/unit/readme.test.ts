import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pagesWithTables } from '../readme/tables.ts';

const root = path.join(import.meta.dirname, '..', '..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');

test('the tables of settings and limits are what the code says (else: node test/readme/tables.ts)', () => {
  for (const { text, wanted } of pagesWithTables()) expect(text).toBe(wanted);
});

test('the README stays under 300 lines', () => {
  expect(readme.split('\n').length).toBeLessThan(300);
});

test('the files and folders that the README links to are there', () => {
  const targets = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
  expect(targets.length).toBeGreaterThan(10);
  expect(targets.filter((target) => !existsSync(path.join(root, target)))).toEqual([]);
});

test('the README leads to every page of docs', () => {
  const pages = readdirSync(path.join(root, 'docs')).map((page) => `docs/${page}`);
  expect(pages.filter((page) => !readme.includes(`](${page})`))).toEqual([]);
});
