/** The priority of a thread against the service's own. */
import os from 'node:os';

/** A tenth of the weight: the lowest priority could let an import or a ping outlast its deadline beside busy others. */
const LOWER_BY = 10;

/**
 * Lets the service's own thread, and what else has work, go before the thread that calls this.
 *
 * Agents that compute in as many threads as there are cores would otherwise take turns with the thread that answers
 * every request and subscriber: it waits for a core 11 instead of 5 % of the time (two loops on two cores). Where
 * nothing else has work, a lower priority costs nothing. Processes that the thread starts inherit it.
 *
 * On Linux only, where a thread has a priority of its own: elsewhere it is the whole process's.
 */
export function lowerPriority(): void {
  if (process.platform !== 'linux') return;
  try {
    os.setPriority(Math.min(os.getPriority() + LOWER_BY, os.constants.priority.PRIORITY_LOW));
  } catch {
    // A sandbox may forbid the system call: agents run all the same.
  }
}
