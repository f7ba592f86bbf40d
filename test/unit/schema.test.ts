import { readFile } from 'node:fs/promises';
import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  printSchema,
  validateSchema,
} from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';

const schema = buildSchema();
const types = Object.values(schema.getTypeMap()).filter(
  (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
);

test('the schema is valid', () => {
  expect(validateSchema(schema)).toEqual([]);
});

test('schema.graphql is what the code says', async () => {
  const committed = await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8');
  expect(`${printSchema(lexicographicSortSchema(schema))}\n` === committed, 'run `npm run schema`').toBe(true);
});

test('every type, field, argument, input field and enum value has a description', () => {
  expect(types.flatMap(undescribed)).toEqual([]);
});

test('every mutation has one argument, `input`, and answers a union of a success and errors', () => {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const name = `${field.name.charAt(0).toUpperCase()}${field.name.slice(1)}`;
    expect(field.args.map((argument) => `${argument.name}: ${argument.type}`)).toEqual([`input: ${name}Input!`]);
    expect(String(field.type)).toBe(`${name}Result!`);
  }
});

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
}

function undescribed(type: GraphQLNamedType): string[] {
  const missing = (at: string, parts: readonly Described[]) =>
    parts.filter((part) => !part.description).map((part) => `${at}.${part.name}`);
  const own = type.description ? [] : [type.name];
  if (isEnumType(type)) return [...own, ...missing(type.name, type.getValues())];
  if (isInputObjectType(type)) return [...own, ...missing(type.name, Object.values(type.getFields()))];
  if (!isObjectType(type) && !isInterfaceType(type)) return own;
  const fields = Object.values(type.getFields());
  const args = fields.flatMap((field) => missing(`${type.name}.${field.name}`, field.args));
  return [...own, ...missing(type.name, fields), ...args];
}
