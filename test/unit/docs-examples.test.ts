import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'docs');
const schema = buildSchema();

const examples = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.md'))
  .flatMap((file) =>
    [...readFileSync(path.join(FOLDER, file), 'utf8').matchAll(/^```graphql.*\n([\s\S]*?)^```$/gm)].map(
      ([, code = ''], index) => ({ name: `${file}, example ${index + 1}`, code }),
    ),
  );

test('there are examples', () => expect(examples.length).toBeGreaterThan(0));

test.each(examples)('$name is an operation of the schema', ({ code }) => {
  expect(validate(schema, parse(code)).map(({ message }) => message)).toEqual([]);
});
