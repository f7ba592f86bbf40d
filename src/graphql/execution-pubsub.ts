/** The pub/sub through which the engine tells of new revisions. */
import { setMaxListeners } from 'node:events';
import { createPubSub } from '@graphql-yoga/subscription';
import { EXECUTION_TOPIC, type ExecutionChanged } from '../services/execution-events.ts';
import type { Publish } from '../services/ports.ts';

/**
 * A publish function, and the event target that its events appear on.
 *
 * Readers listen on the target and keep only "newer exists"; nobody subscribes through the pub/sub, whose queue
 * ends the process when a client falls 1,024 events behind.
 */
export function createExecutionPubSub(): { readonly events: EventTarget; readonly publish: Publish } {
  const events = new EventTarget();
  setMaxListeners(0, events);
  const pubSub = createPubSub<{ [EXECUTION_TOPIC]: [id: string, changed: ExecutionChanged] }>({ eventTarget: events });
  return {
    events,
    publish: (executionId, revision, ends = false) =>
      pubSub.publish(EXECUTION_TOPIC, executionId, { executionId, revision, ends }),
  };
}
