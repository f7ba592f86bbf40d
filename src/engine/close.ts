/** Carrying out what closes an execution: a committed cancel, a deadline that has passed, a reason it cannot go on. */
import { isFinalExecution } from '../domain/states.ts';
import type { LaneRunner } from './lane-runner.ts';
import type { Latch } from './latch.ts';
import type { Closing, EngineParts, OpenExecution, TakenLane } from './ports.ts';
import { nextTurn } from './turns.ts';

export interface CloseScope {
  /** The lanes of the execution that run on this node. */
  lanes(): LaneRunner[];
  /** Whether this lane runs on this node. */
  holds(no: number): boolean;
  takeLane(no: number): Promise<TakenLane | null>;
  readonly poked: Latch;
  stopping(): boolean;
}

/**
 * Ends an execution that is being closed; true once it has ended.
 *
 * In this order: nothing starts any more; running calls are aborted, or left to finish where it drains; their
 * starts are flushed, so that what runs is known as RUNNING; the sweep closes what only waits. What runs settles
 * itself, and a result that arrives in the grace time is kept. After it, or where nobody is left to settle,
 * every lane is fenced and the rest closed by force. false: look again, the mode may have changed or a lane of
 * another node is still draining.
 */
export async function closeExecution(
  parts: EngineParts,
  open: OpenExecution,
  closing: Closing,
  scope: CloseScope,
): Promise<boolean> {
  const lanes = scope.lanes();
  for (const lane of lanes) {
    lane.halt();
    if (!open.drains) lane.abort(closing === 'EXPIRE' ? 'EXPIRED' : 'CANCELLED');
  }
  await Promise.all(lanes.map((lane) => lane.flushed()));
  // One without a single open item has nothing waiting and is to be ended all the same.
  if ((open.waiting || lanes.length === 0) && (await close(parts, open.id, closing, false))) return true;

  const orphaned = await othersAreGone(open, scope);
  if (lanes.length === 0 && orphaned) return await force(parts, open.id, closing, scope);
  if (open.drains || !(await settledOrOverdue(parts, open, scope, !orphaned)) || scope.stopping()) return false;
  return await force(parts, open.id, closing, scope);
}

/** Whether every lane that does not run here has no living owner; those are then ours, and nothing runs in them. */
async function othersAreGone(open: OpenExecution, scope: CloseScope): Promise<boolean> {
  const others = open.lanes.filter(({ no }) => !scope.holds(no));
  const taken = await Promise.all(others.map(({ no }) => scope.takeLane(no)));
  return taken.every((lane) => lane !== null);
}

/**
 * Waits until every lane has left, the grace time has passed, or the node stops; lanes elsewhere get all of it.
 * `false`: the execution was closed by another node meanwhile, and may even be open again.
 */
async function settledOrOverdue(
  parts: EngineParts,
  open: OpenExecution,
  scope: CloseScope,
  elsewhere: boolean,
): Promise<boolean> {
  let overdue = false;
  const cancelTimer = parts.clock.after(parts.cancelGraceMs, () => {
    overdue = true;
    scope.poked.set();
  });
  try {
    while (!overdue && !scope.stopping() && (elsewhere || scope.lanes().length > 0)) {
      await scope.poked.wait();
      if (elsewhere && (await parts.store.openExecution(open.id))?.closing !== open.closing) return false;
    }
    return true;
  } finally {
    cancelTimer();
  }
}

/** Closes the rest without those who run it: from the fence on, nothing that they still produce is written. */
async function force(parts: EngineParts, executionId: string, closing: Closing, scope: CloseScope): Promise<boolean> {
  if (!(await parts.store.fenceLanes(executionId, closing))) return false;
  for (const lane of scope.lanes()) lane.drop();
  return await close(parts, executionId, closing, true);
}

/** Closes open items chunk by chunk; true once the execution has ended. */
async function close(parts: EngineParts, executionId: string, closing: Closing, running: boolean): Promise<boolean> {
  for (let cursor: number | null = 0; cursor !== null; ) {
    const answer = await parts.store.closeItems(executionId, { cursor, running, closing });
    if (answer.revision !== null) parts.publish(executionId, answer.revision, isFinalExecution(answer.status));
    if (isFinalExecution(answer.status)) return true;
    cursor = answer.cursor;
    // Between chunks sockets and other executions get their turn.
    await nextTurn();
  }
  return false;
}
