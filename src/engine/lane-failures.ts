/** The errors of items that no agent was called for. */
import { type ItemError, itemError } from '../domain/item-error.ts';

/** The death of its process that fails an item. */
export const FATAL_DEATHS = 3;

/** Its process died too often while it ran; permanent, since it would do so again. */
export const workerCrash = (): ItemError => ({
  ...itemError('INTERRUPTED', 'worker_crash', `The process died ${FATAL_DEATHS} times while this item ran.`, {
    stage: 'call',
    recovery: 'Look for what the agent does with this input: memory it takes, or a native crash.',
  }),
  transient: false,
});

/** Its frozen input is gone from the database. */
export const inputMissing = (): ItemError =>
  itemError('DEPENDENCY', 'input_missing', 'The input of this item is no longer stored.', { stage: 'input' });
