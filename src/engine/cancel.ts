/** Carrying out a cancel that is committed as CANCELLING. */
import { isFinalExecution } from '../domain/states.ts';
import type { Latch } from './latch.ts';
import type { LaneRunner } from './lane-runner.ts';
import type { EngineParts, OpenExecution, TakenLane } from './ports.ts';

export interface CancelScope {
  /** The lanes of the execution that run on this node. */
  lanes(): LaneRunner[];
  takeLane(no: number): Promise<TakenLane | null>;
  readonly poked: Latch;
  stopping(): boolean;
}

/**
 * Ends a cancelled execution; true once it has ended.
 *
 * In this order: nothing starts any more; running calls are aborted (ABORT) or left to finish (DRAIN); their
 * starts are flushed, so that what runs is known as RUNNING; the sweep closes what only waits. What runs settles
 * itself, and a result that arrives in the grace time is kept. After it, or where nobody is left to settle,
 * every lane is fenced and the rest closed by force. false: look again, the mode may have changed or a lane of
 * another node is still draining.
 */
export async function cancelExecution(parts: EngineParts, open: OpenExecution, scope: CancelScope): Promise<boolean> {
  const lanes = scope.lanes();
  for (const lane of lanes) {
    lane.halt();
    if (open.cancelMode === 'ABORT') lane.abort('cancel');
  }
  await Promise.all(lanes.map((lane) => lane.flushed()));
  // An unsealed execution without a single item has nothing waiting and is to be ended all the same.
  if ((open.waiting || lanes.length === 0) && (await close(parts, open.id, false))) return true;

  const orphaned = await othersAreGone(open, lanes, scope);
  if (lanes.length === 0 && orphaned) return await force(parts, open.id);
  if (open.cancelMode === 'DRAIN') {
    await scope.poked.wait();
    return false;
  }
  await settledOrOverdue(parts, scope, !orphaned);
  if (scope.stopping()) return false;
  for (const lane of scope.lanes()) lane.abandon();
  await Promise.all(scope.lanes().map((lane) => lane.flushed()));
  return await force(parts, open.id);
}

/** Whether every lane that does not run here has no living owner; those are then ours, and nothing runs in them. */
async function othersAreGone(open: OpenExecution, lanes: readonly LaneRunner[], scope: CancelScope): Promise<boolean> {
  if (lanes.length === open.lanes.length) return true;
  const taken = await Promise.all(open.lanes.map((no) => scope.takeLane(no)));
  return taken.every((lane) => lane !== null);
}

/** Waits until every lane has left, the grace time has passed, or the node stops; lanes elsewhere get all of it. */
async function settledOrOverdue(parts: EngineParts, scope: CancelScope, elsewhere: boolean): Promise<void> {
  let overdue = false;
  const cancelTimer = parts.clock.after(parts.cancelGraceMs, () => {
    overdue = true;
    scope.poked.set();
  });
  while (!overdue && !scope.stopping() && (elsewhere || scope.lanes().length > 0)) await scope.poked.wait();
  cancelTimer();
}

async function force(parts: EngineParts, executionId: string): Promise<boolean> {
  await parts.store.fenceLanes(executionId);
  return await close(parts, executionId, true);
}

/** Closes open items chunk by chunk; true once the execution has ended. */
async function close(parts: EngineParts, executionId: string, running: boolean): Promise<boolean> {
  for (let cursor: number | null = 0; cursor !== null; ) {
    const answer = await parts.store.closeItems(executionId, { cursor, running, failure: null });
    if (answer.revision !== null) parts.publish(executionId, answer.revision);
    if (isFinalExecution(answer.status)) return true;
    cursor = answer.cursor;
    // Between chunks sockets and other executions get their turn.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return false;
}
