/** Checks a use case's input against its schema, whole, before anything is stored. */
import type { ZodError, ZodType } from 'zod';
import { ValidationError, type ValidationIssue } from '../domain/user-error.ts';

/** The input as its schema understands it. Throws ValidationError with every problem; each `loc` starts with `input`. */
export function checkInput<T>(schema: ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (!result.success) throw new ValidationError(zodIssues(result.error, ['input']));
  return result.data;
}

/** The issues of a ZodError in the shape that clients know, each place below `at`. */
export function zodIssues(error: ZodError, at: readonly string[] = []): readonly ValidationIssue[] {
  return error.issues.map(({ path, message, code, input: _input, ...rule }) => ({
    loc: [...at, ...path.map(String)],
    msg: message,
    type: code,
    ...(Object.keys(rule).length > 0 && { ctx: rule }),
  }));
}
