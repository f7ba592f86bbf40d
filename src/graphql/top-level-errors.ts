/** How errors look outside of unions: each has `extensions.code`, and what is not meant for callers is hidden. */
import { GraphQLError } from 'graphql';
import type { ZodError } from 'zod';
import { type UserError, type UserErrorCode, ValidationError } from '../domain/user-error.ts';
import { zodIssues } from '../services/check-input.ts';

/** Codes of top-level errors that are not a UserError's own. */
export type TopLevelCode =
  | 'BAD_USER_INPUT'
  | 'QUERY_TOO_COMPLEX'
  | 'SERVICE_STOPPING'
  | 'SERVICE_UNAVAILABLE'
  | 'INTERNAL_SERVER_ERROR'
  | Exclude<UserErrorCode, 'VALIDATION_FAILED'>;

/** A GraphQLError with a code that clients can act on. */
export const codedError = (
  code: TopLevelCode,
  message: string,
  extensions: Record<string, unknown> = {},
): GraphQLError => new GraphQLError(message, { extensions: { code, ...extensions } });

/** The error for a bad argument of a plain field, e.g. `first: 5000`. */
export const badUserInput = (message: string): GraphQLError => codedError('BAD_USER_INPUT', message);

/** The error for a query beyond a limit of depth, aliases, tokens or cost. */
export const queryTooComplex = (message: string): GraphQLError => codedError('QUERY_TOO_COMPLEX', message);

/** Every issue of a ZodError as our own error: typed in a union, BAD_USER_INPUT elsewhere. */
export const toValidationError = (error: ZodError): ValidationError => new ValidationError(zodIssues(error));

/** The top-level form of a UserError that no union took: same message, its code, and a ValidationError's issues. */
export function userErrorToGraphQL(error: UserError, at: GraphQLError | null = null): GraphQLError {
  const code: TopLevelCode = error.code === 'VALIDATION_FAILED' ? 'BAD_USER_INPUT' : error.code;
  return new GraphQLError(error.message, {
    extensions: { code, ...(error instanceof ValidationError && { issues: error.issues }) },
    ...(at?.nodes && { nodes: at.nodes }),
    ...(at?.path && { path: at.path }),
  });
}
