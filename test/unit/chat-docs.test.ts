import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { ChatAgentConfig } from '../../src/agents/chat/config.ts';
import { FIELD_NAMES } from '../../src/agents/chat/field-names.ts';
import { CHAT_LIMITS } from '../../src/domain/chat-rules.ts';
import { buildSchema } from '../../src/graphql/schema.ts';

const DOCS = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'chat-agents.md'), 'utf8');
const numbers = new Intl.NumberFormat('en');

test('the page on chat agents has every limit and every field of templates', () => {
  const limits = Object.values(CHAT_LIMITS).flatMap((limit) =>
    typeof limit === 'number' ? [limit] : Object.values(limit),
  );
  const missing = limits.filter((limit) => !new RegExp(`(?<![\\d,])${numbers.format(limit)}(?!,?\\d)`).test(DOCS));
  expect(missing).toEqual([]);
  expect([...FIELD_NAMES].filter((name) => !new RegExp(`\\{\\{#?${name}\\b`).test(DOCS))).toEqual([]);
});

test('the calls on the page are such as the schema takes', () => {
  const calls = [...DOCS.matchAll(/```graphql\n(.*?)```/gs)].map(([, call = '']) => call);
  expect(calls).toHaveLength(2);
  for (const call of calls) expect(validate(buildSchema(), parse(call))).toEqual([]);
});

test('what the schema calls a config is what the service takes', () => {
  const given = buildSchema().getType('ChatAgentConfigInput')?.toConfig() as { fields: object };
  expect(Object.keys(given.fields).sort()).toEqual(Object.keys(ChatAgentConfig.shape).sort());
});
