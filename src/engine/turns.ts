/** Turns of the event loop: in each of them sockets, timers and other executions have their say. */

/** Calls that are started or told to stop in one turn: with what agents do then, each takes up to 0.1 ms. */
export const CALLS_A_TURN = 100;

/** Resolves in the next turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Does something with each of many calls: with the first `CALLS_A_TURN` at once, with as many in each further turn. */
export async function inTurns<T>(calls: readonly T[], act: (call: T) => void): Promise<void> {
  for (let from = 0; from < calls.length; from += CALLS_A_TURN) {
    if (from > 0) await nextTurn();
    for (const call of calls.slice(from, from + CALLS_A_TURN)) act(call);
  }
}
