/**
 * `POST /executions/<id>/items`: the items of a draft as a stream of JSON lines; `GET` says where to go on.
 *
 * The body is read no faster than its items are stored, so a gigabyte takes no more memory than a megabyte. It
 * may be sent again from any line: an item that is there is not added twice.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import { InvalidStateError, UserError } from '../domain/user-error.ts';
import type { Logger } from '../log.ts';
import { ItemIntake, readIntake } from '../services/ingest-items.ts';
import type { ServiceDeps } from '../services/ports.ts';
import { submitBatchExecution } from '../services/submit-batch-execution.ts';
import { bodyLines } from './body-lines.ts';
import type { KeyWatch } from './key-watch.ts';
import { flag, parseQuery } from './query.ts';
import { refuseLines } from './request-guard.ts';
import { errorBody, sendEarly, sendJson, sendUserError } from './responses.ts';

/** A sender that is silent for so long is taken to be gone. */
const IDLE_MS = 120_000;

const querySchema = z.strictObject({
  from: z.coerce.number().int().min(0).max(2_147_483_646).default(0),
  submit: flag.default(false),
});

/** What the routes of an execution need. */
export interface StreamParts {
  readonly keyWatch: KeyWatch;
  readonly log: Logger;
}

/** Answers how many items there are, or takes those of the body. Throws UserError before the body is read. */
export async function serveItems(
  parts: StreamParts,
  deps: ServiceDeps,
  actor: Actor,
  executionId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const state = await readIntake(deps, actor, executionId);
  if (request.method !== 'POST') {
    sendJson(response, 200, state);
    return;
  }
  const refusal = refuseLines(request);
  if (refusal !== null) {
    await sendEarly(request, response, refusal.status, errorBody(refusal.code, refusal.message));
    return;
  }
  const { from, submit } = parseQuery(request, querySchema);
  if (state.status !== 'DRAFT') {
    throw new InvalidStateError(`The execution is ${state.status}; items can be added to a DRAFT only.`, state.status);
  }
  const intake = new ItemIntake(deps, actor, executionId, from);
  const unwatch = parts.keyWatch.watch(actor.keyId, () => request.destroy());
  const { socket } = request;
  socket.setTimeout(IDLE_MS);
  try {
    await intake.take(bodyLines(request, LIMITS.elementBytes));
    const { report } = intake;
    if (submit && report.rejectedCount === 0)
      await submitBatchExecution(deps, actor, { batchExecutionId: executionId });
    const after = await readIntake(deps, actor, executionId);
    sendJson(response, report.rejectedCount > 0 ? 422 : 200, { ...after, ...report });
  } catch (error) {
    if (error instanceof UserError) await sendUserError(request, response, error, intake.report);
    else if (request.errored !== null) parts.log.debug({ executionId }, 'a stream of items broke off');
    else throw error;
  } finally {
    unwatch();
    socket.setTimeout(0);
  }
}
