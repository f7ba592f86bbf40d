/** The query string of the plain HTTP routes. */
import type { IncomingMessage } from 'node:http';
import { type ZodType, z } from 'zod';
import { ValidationError } from '../domain/user-error.ts';
import { zodIssues } from '../services/check-input.ts';

/** The parameters of a request as their schema understands them; throws ValidationError with every problem. */
export function parseQuery<T>(request: IncomingMessage, schema: ZodType<T>): T {
  const query = URL.parse(request.url ?? '', 'http://localhost')?.searchParams ?? [];
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (parsed.success) return parsed.data;
  throw new ValidationError(zodIssues(parsed.error, ['query']));
}

/** A parameter that is on when it is there, unless it says `false` or `0`. */
export const flag = z.enum(['', 'true', 'false', '1', '0']).transform((text) => text !== 'false' && text !== '0');
