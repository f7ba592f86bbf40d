/** Checks answers against the JSON Schema that they were asked to fit. */
import { Ajv, type ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import type { FieldError } from '../../domain/model.ts';

/** What does not fit in an answer; empty when it fits. */
export type AnswerCheck = (answer: unknown) => readonly FieldError[];

/** Field errors that are told of one answer. */
const MAX_FIELD_ERRORS = 50;
/** Instructions of a pattern's automaton; its time is these times the characters of the text. */
const MAX_PROGRAM = 2_000;

// Patterns run on answers that nobody vouches for: with RE2 no pattern takes more than linear time.
const linearPattern = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern);
    if (compiled.programSize() > MAX_PROGRAM) throw new Error(`the pattern ${JSON.stringify(pattern)} is too large`);
    return { test: (text: string) => compiled.test(text) };
  },
  // Only written into code that is generated to be kept, which is not done here.
  { code: 'linearPattern' },
);

const OPTIONS = {
  allErrors: true,
  strict: false,
  validateFormats: false,
  logger: false,
  code: { regExp: linearPattern },
} as const;

/** The check that a JSON Schema amounts to: draft-07 by its `$schema`, else 2020-12. Throws when it is none. */
export function compileAnswerSchema(schema: Readonly<Record<string, unknown>>): AnswerCheck {
  const dialect = schema['$schema'];
  const ajv = typeof dialect === 'string' && dialect.includes('draft-07') ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS);
  const check = ajv.compile(schema);
  return (answer) => (check(answer) ? [] : (check.errors ?? []).slice(0, MAX_FIELD_ERRORS).map(fieldErrorOf));
}

const fieldErrorOf = ({ instancePath, keyword, message = 'does not fit' }: ErrorObject): FieldError => ({
  path: instancePath,
  code: keyword,
  message,
});
