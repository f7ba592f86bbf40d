/**
 * The states of executions and items, and every legal move between them, as data.
 *
 * Each move has a verb. The store asks this table for the from-statuses of a verb when it guards an UPDATE;
 * a database trigger refuses every pair that is not listed here, and a test proves that the two agree.
 */

export const EXECUTION_STATUSES = [
  'DRAFT',
  'PREPARING',
  'QUEUED',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'COMPLETED_WITH_ERRORS',
  'FAILED',
  'CANCELLED',
  'EXPIRED',
] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

export const ITEM_STATUSES = ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED'] as const;
export type ItemStatus = (typeof ITEM_STATUSES)[number];

/** One verb and the moves it makes: from any of `from` to any of `to`. */
export interface Move<Status extends string> {
  readonly verb: string;
  readonly from: readonly Status[];
  readonly to: readonly Status[];
}

export const EXECUTION_MOVES = [
  { verb: 'submit', from: ['DRAFT'], to: ['PREPARING'] },
  // Items may have started, and even all ended, while the last chunk was loading: sealing goes where they stand.
  {
    verb: 'seal',
    from: ['PREPARING'],
    to: ['QUEUED', 'RUNNING', 'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED'],
  },
  { verb: 'start', from: ['QUEUED'], to: ['RUNNING'] },
  { verb: 'pause', from: ['QUEUED', 'RUNNING'], to: ['PAUSED'] },
  { verb: 'resume', from: ['PAUSED'], to: ['QUEUED', 'RUNNING'] },
  { verb: 'cancel', from: ['DRAFT', 'PREPARING', 'QUEUED', 'PAUSED', 'RUNNING'], to: ['CANCELLING'] },
  { verb: 'end-cancel', from: ['CANCELLING'], to: ['CANCELLED'] },
  { verb: 'expire', from: ['PREPARING', 'QUEUED', 'PAUSED', 'RUNNING'], to: ['EXPIRED'] },
  {
    verb: 'finish',
    from: ['QUEUED', 'RUNNING', 'PAUSED'],
    to: ['COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED'],
  },
  { verb: 'fail', from: ['PREPARING', 'QUEUED', 'PAUSED', 'RUNNING'], to: ['FAILED'] },
  { verb: 'retry', from: ['COMPLETED_WITH_ERRORS', 'FAILED', 'CANCELLED', 'EXPIRED'], to: ['QUEUED'] },
  {
    verb: 'resubmit',
    from: ['COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED', 'CANCELLED', 'EXPIRED'],
    to: ['QUEUED'],
  },
] as const satisfies readonly Move<ExecutionStatus>[];
export type ExecutionVerb = (typeof EXECUTION_MOVES)[number]['verb'];

export const ITEM_MOVES = [
  { verb: 'start', from: ['QUEUED', 'RETRYING'], to: ['RUNNING'] },
  { verb: 'settle', from: ['QUEUED', 'RUNNING', 'RETRYING'], to: ['SUCCEEDED', 'FAILED'] },
  // RETRYING to RETRYING: an attempt that starts and fails between two flushes.
  { verb: 'back-off', from: ['QUEUED', 'RUNNING', 'RETRYING'], to: ['RETRYING'] },
  // Its node stopped, or its next tier waits for a slot: no attempt is charged.
  { verb: 'return', from: ['RUNNING'], to: ['QUEUED'] },
  { verb: 'cancel', from: ['QUEUED', 'RUNNING', 'RETRYING'], to: ['CANCELLED'] },
  { verb: 'expire', from: ['QUEUED', 'RUNNING', 'RETRYING'], to: ['EXPIRED'] },
  { verb: 'retry', from: ['FAILED', 'CANCELLED', 'EXPIRED'], to: ['QUEUED'] },
  { verb: 'resubmit', from: ['SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED'], to: ['QUEUED'] },
] as const satisfies readonly Move<ItemStatus>[];
export type ItemVerb = (typeof ITEM_MOVES)[number]['verb'];

const FINAL_EXECUTION: ReadonlySet<ExecutionStatus> = new Set<ExecutionStatus>([
  'COMPLETED',
  'COMPLETED_WITH_ERRORS',
  'FAILED',
  'CANCELLED',
  'EXPIRED',
]);
const CLAIMABLE: ReadonlySet<ExecutionStatus> = new Set<ExecutionStatus>(['PREPARING', 'QUEUED', 'RUNNING']);
const OPEN_ITEM: ReadonlySet<ItemStatus> = new Set<ItemStatus>(['QUEUED', 'RUNNING', 'RETRYING']);

/** Whether an execution in this status has ended; only a retry or a resubmit opens it again. */
export const isFinalExecution = (status: ExecutionStatus): boolean => FINAL_EXECUTION.has(status);

/** Whether an execution in this status may be deleted: nothing runs it, and nothing will by itself. */
export const isDeletable = (status: ExecutionStatus): boolean => status === 'DRAFT' || isFinalExecution(status);

/** Whether items of an execution in this status may start. */
export const isClaimable = (status: ExecutionStatus): boolean => CLAIMABLE.has(status);

/** Whether an item in this status still has work to do in its round. */
export const isOpenItem = (status: ItemStatus): boolean => OPEN_ITEM.has(status);

/** The statuses in which items may start, for SQL guards. */
export const claimableStatuses = (): ExecutionStatus[] => [...CLAIMABLE];
/** The item statuses with work to do, for SQL guards. */
export const openItemStatuses = (): ItemStatus[] => [...OPEN_ITEM];

/** The statuses from which a verb may move an execution. */
export function executionMoveFrom(verb: ExecutionVerb): ExecutionStatus[] {
  return EXECUTION_MOVES.filter((move) => move.verb === verb).flatMap((move) => [...move.from]);
}

/** The statuses from which a verb may move an item. */
export function itemMoveFrom(verb: ItemVerb): ItemStatus[] {
  return ITEM_MOVES.filter((move) => move.verb === verb).flatMap((move) => [...move.from]);
}

/** Every legal pair `from>to` of a move table, sorted; staying in a status is always allowed and not listed. */
export function legalPairs(moves: readonly Move<string>[]): string[] {
  const pairs = moves.flatMap((move) =>
    move.from.flatMap((from) => move.to.filter((to) => to !== from).map((to) => `${from}>${to}`)),
  );
  return [...new Set(pairs)].sort();
}
