import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isEnumType, isInputObjectType, isInterfaceType, isObjectType, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'docs');
const schema = buildSchema();

const pages = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ file, text: readFileSync(path.join(FOLDER, file), 'utf8') }));
const examples = pages.flatMap(({ file, text }) =>
  [...text.matchAll(/^```graphql.*\n([\s\S]*?)^```$/gm)].map(([, code = ''], index) => ({
    name: `${file}, example ${index + 1}`,
    code,
  })),
);

test('there are examples', () => expect(examples.length).toBeGreaterThan(0));

test.each(examples)('$name is an operation of the schema', ({ code }) => {
  expect(validate(schema, parse(code)).map(({ message }) => message)).toEqual([]);
});

test.each(pages)('$file names fields that there are, and links to what there is', ({ text }) => {
  const names = [...text.matchAll(/`([A-Z][A-Za-z]+)\.([a-z][A-Za-z]+)/g)].filter(([, owner = '', member = '']) => {
    const type = schema.getType(owner);
    const hasFields = isObjectType(type) || isInterfaceType(type) || isInputObjectType(type);
    return !(hasFields && member in type.getFields()) && !(isEnumType(type) && type.getValue(member));
  });
  expect(names.map(([name]) => name)).toEqual([]);
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => target);
  expect(links.filter((target) => !existsSync(path.join(FOLDER, target)))).toEqual([]);
});
