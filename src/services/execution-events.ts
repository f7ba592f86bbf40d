/** The events that say "this execution has a newer revision", published after its commit. */

/** What an event carries. */
export interface ExecutionChanged {
  readonly executionId: string;
  readonly revision: number;
  /** Whether this is known to be a final state. */
  readonly ends: boolean;
}

/** The part of an event target that listeners need. */
export type ExecutionEvents = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;

/** The topic of the events; an event's type is this, a colon and the execution's id. */
export const EXECUTION_TOPIC = 'batchExecution';

/**
 * Calls `onRevision` for each newer revision of an execution from now on, with whether that is known to be its end; the
 * answer stops it.
 *
 * Listens on the event target itself: the pub/sub's own subscribe ends the process at 1,024 unread events.
 */
export function listenToExecution(
  events: ExecutionEvents,
  executionId: string,
  onRevision: (revision: number, ends: boolean) => void,
): () => void {
  const type = `${EXECUTION_TOPIC}:${executionId}`;
  const listener = (event: Event) => {
    const { revision, ends } = detailOf(event);
    // What a listener throws would end the process, so an event without a revision counts as "newer than anything".
    onRevision(typeof revision === 'number' ? revision : Number.MAX_SAFE_INTEGER, ends === true);
  };
  events.addEventListener(type, listener);
  return () => events.removeEventListener(type, listener);
}

function detailOf(event: Event): { readonly [Key in keyof ExecutionChanged]?: unknown } {
  const detail: unknown = 'detail' in event ? event.detail : null;
  return typeof detail === 'object' && detail !== null ? detail : {};
}
