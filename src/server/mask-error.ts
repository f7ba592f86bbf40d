/** Decides what a client gets to see of an error that reached the top of a GraphQL response. */
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { nanoid } from 'nanoid';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';
import { UserError } from '../domain/user-error.ts';
import { codedError, userErrorToGraphQL } from '../graphql/top-level-errors.ts';
import type { Logger } from '../log.ts';

/**
 * A mask for Yoga: what the caller caused keeps its message and has a code, everything else is hidden.
 *
 * A hidden error is logged once with an id; the client gets the id, to name it by.
 */
export function errorMask(log: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const at = error instanceof GraphQLError ? error : null;
    const origin = originOf(error);
    if (origin instanceof UserError) return userErrorToGraphQL(origin, at);
    if (origin instanceof GraphQLError && at !== null) {
      if (typeof at.extensions['code'] === 'string') return at;
      // Without a place in the response nothing ran yet: the caller's document or variables do not fit.
      if (at.path === undefined) return recoded(at, 'BAD_USER_INPUT');
    }
    if (origin instanceof Error && origin.name === 'AbortError') {
      log.debug({ path: at?.path?.join('.') }, 'a client left before its answer');
      return new GraphQLError('The request was aborted.', { extensions: { code: 'INTERNAL_SERVER_ERROR' } });
    }
    if (origin instanceof ServiceUnavailableError) {
      log.warn({ err: origin, path: at?.path?.join('.') }, 'a request met a database that is away');
      return placed(codedError(origin.code, origin.message), at);
    }
    const errorId = `err_${nanoid(12)}`;
    log.error({ errorId, err: origin, path: at?.path?.join('.') }, 'unexpected error in a GraphQL request');
    const hidden = `Something went wrong here. Its log entry is ${errorId}.`;
    return placed(codedError('INTERNAL_SERVER_ERROR', hidden, { errorId, unexpected: true }), at);
  };
}

/** An error as JSON, without the extensions that only steer the HTTP answer; Yoga drops those itself over HTTP. */
export function forClient(error: GraphQLError): GraphQLFormattedError {
  const { extensions: { http: _http, unexpected: _unexpected, ...extensions } = {}, ...rest } = error.toJSON();
  return { ...rest, extensions };
}

/** The error at the place in the response where another stood. */
const placed = ({ message, extensions }: GraphQLError, at: GraphQLError | null): GraphQLError =>
  new GraphQLError(message, { extensions, ...(at?.nodes && { nodes: at.nodes }), ...(at?.path && { path: at.path }) });

/** The error that was thrown first: GraphQL wraps it once for each layer that adds a place. */
function originOf(error: unknown): unknown {
  let origin = error;
  while (origin instanceof GraphQLError && origin.originalError !== undefined) origin = origin.originalError;
  return origin;
}

function recoded(error: GraphQLError, code: 'BAD_USER_INPUT'): GraphQLError {
  const coded = codedError(code, error.message, error.extensions);
  return error.nodes === undefined
    ? coded
    : new GraphQLError(error.message, { nodes: error.nodes, extensions: coded.extensions });
}
