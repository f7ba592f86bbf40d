/** Watching a list of executions live. */
import type { Actor } from '../domain/model.ts';
import { ValidationError } from '../domain/user-error.ts';
import { checkFilter, type ExecutionFilterInput } from './list-executions.ts';
import type { ListReader } from './list-reader.ts';
import type { ServiceDeps } from './ports.ts';

export interface WatchExecutionsInput {
  readonly filter: ExecutionFilterInput;
  /** The number of the last change that the client has; null when it has none. */
  readonly afterChange: number | null;
}

/**
 * A stream of what changes in the list of the project's executions that the filter takes.
 *
 * Behind `afterChange` if it is given, else from now on. Throws ValidationError before there is a stream.
 */
export async function watchExecutions(
  deps: Pick<ServiceDeps, 'lists'>,
  actor: Actor,
  { filter, afterChange }: WatchExecutionsInput,
): Promise<ListReader> {
  if (afterChange !== null && afterChange < 0) {
    const rule = { msg: 'must be 0 or more', type: 'too_small', ctx: { minimum: 0 } };
    throw new ValidationError([{ loc: ['afterChange'], input: afterChange, ...rule }]);
  }
  return await deps.lists.open({ projectId: actor.projectId, filter: checkFilter(filter), afterChange });
}
