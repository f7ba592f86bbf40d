/** Watching an execution live. */
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor } from '../domain/model.ts';
import { NotFoundError, ValidationError } from '../domain/user-error.ts';
import type { ExecutionReader } from './execution-reader.ts';
import type { ServiceDeps } from './ports.ts';

export interface WatchExecutionInput {
  readonly id: string;
  /** The revision that the client has; null when it has none. */
  readonly afterRevision: number | null;
}

/**
 * A stream of the execution's states: first the present one unless the client has it, then each newer, coalesced.
 *
 * It ends after a final state. Throws NotFoundError before there is a stream when the actor has no such execution.
 */
export async function watchExecution(
  deps: ServiceDeps,
  actor: Actor,
  { id, afterRevision }: WatchExecutionInput,
): Promise<ExecutionReader> {
  if (afterRevision !== null && afterRevision < 0) {
    const rule = { msg: 'must be 0 or more', type: 'too_small', ctx: { minimum: 0 } };
    throw new ValidationError([{ loc: ['afterRevision'], input: afterRevision, ...rule }]);
  }
  if (nodeTypeOf(id) !== 'BatchExecution') throw new NotFoundError('batch execution', id);
  return await deps.feed.open({ projectId: actor.projectId, executionId: id, afterRevision });
}
