/** Pausing an execution, and letting it go on. */
import type { Actor, Execution } from '../domain/model.ts';
import { type ExecutionVerb, executionMoveFrom } from '../domain/states.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { pauseExecution, resumeExecution } from '../store/control-execution.ts';
import { findExecution } from '../store/execution-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

export interface PauseInput {
  readonly batchExecutionId: string;
}

/**
 * Commits the pause: nothing starts after it, what runs may finish. Idempotent; an execution that is still being
 * prepared or has ended is an InvalidStateError.
 */
export async function pauseBatchExecution(deps: ServiceDeps, actor: Actor, input: PauseInput): Promise<Execution> {
  return await move(deps, actor, input, 'pause', (id) => pauseExecution(deps.db, id, 'USER', deps.now()));
}

/** Lets a paused execution go on, whatever paused it. Idempotent; one that has ended is an InvalidStateError. */
export async function resumeBatchExecution(deps: ServiceDeps, actor: Actor, input: PauseInput): Promise<Execution> {
  return await move(deps, actor, input, 'resume', (id) => resumeExecution(deps.db, id, deps.now()));
}

async function move(
  deps: ServiceDeps,
  actor: Actor,
  { batchExecutionId: id }: PauseInput,
  verb: Extract<ExecutionVerb, 'pause' | 'resume'>,
  commit: (id: string) => Promise<number | null>,
): Promise<Execution> {
  requireRole(actor, 'MEMBER');
  if ((await findExecution(deps.db, actor.projectId, id)) === undefined) throw new NotFoundError('batch execution', id);
  const revision = await commit(id);
  if (verb === 'pause') deps.engine.hold(id);
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  if (revision !== null) {
    deps.publish(id, revision);
    deps.engine.wake(id);
    return execution;
  }
  // Already where the other verb starts from: a repeated call.
  const other = verb === 'pause' ? 'resume' : 'pause';
  if (executionMoveFrom(other).includes(execution.status)) return execution;
  throw new InvalidStateError(
    `The execution is ${execution.status}; that is no state to ${verb} from.`,
    execution.status,
  );
}
