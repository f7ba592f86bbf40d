/** The events that say "this execution has a newer revision", published after its commit. */

/** What an event carries. */
export interface ExecutionChanged {
  readonly executionId: string;
  readonly revision: number;
}

/** The part of an event target that listeners need. */
export type ExecutionEvents = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;

/** The topic of the events; an event's type is this, a colon and the execution's id. */
export const EXECUTION_TOPIC = 'batchExecution';

/**
 * Calls `onRevision` for each newer revision of an execution from now on; the answer stops it.
 *
 * Listens on the event target itself: the pub/sub's own subscribe ends the process at 1,024 unread events.
 */
export function listenToExecution(
  events: ExecutionEvents,
  executionId: string,
  onRevision: (revision: number) => void,
): () => void {
  const type = `${EXECUTION_TOPIC}:${executionId}`;
  const listener = (event: Event) => onRevision(revisionOf(event));
  events.addEventListener(type, listener);
  return () => events.removeEventListener(type, listener);
}

// What a listener throws would end the process, so an event without a revision counts as "newer than anything".
function revisionOf(event: Event): number {
  const detail: unknown = 'detail' in event ? event.detail : null;
  const revision: unknown =
    typeof detail === 'object' && detail !== null && 'revision' in detail ? detail.revision : null;
  return typeof revision === 'number' ? revision : Number.MAX_SAFE_INTEGER;
}
