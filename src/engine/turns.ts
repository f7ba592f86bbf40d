/** Turns of the event loop: in each of them sockets, timers and other executions have their say. */

/** Calls that are started in one turn: with what agents do then, each takes up to 0.1 ms. */
export const CALLS_A_TURN = 100;

/** Calls that slots go on with in one turn, one after the other, which are short then: a few milliseconds of them. */
export const NEXT_CALLS_A_TURN = 400;

/** Resolves in the next turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How long one turn may take, in ms, and how many calls are dealt with between two looks at the clock. */
const TURN_MS = 5;
const SLICE = 25;

/**
 * Does something with each of many calls, with the first at once, in turns of some `TURN_MS`.
 *
 * What that sets off counts for the turn: it comes before the next slice. The slices of a turn are asked for together,
 * because nothing else comes between them then; what is asked for in one of them waits until sockets had their say.
 */
export async function inTurns<T>(calls: readonly T[], act: (call: T) => void): Promise<void> {
  let done = 0;
  const slice = (): void => {
    for (const call of calls.slice(done, done + SLICE)) act(call);
    done += SLICE;
  };
  slice();
  while (done < calls.length) {
    let began: number | null = null;
    const slices = Array.from({ length: Math.ceil((calls.length - done) / SLICE) }, async () => {
      await nextTurn();
      began ??= performance.now();
      if (performance.now() - began < TURN_MS) slice();
    });
    await Promise.all(slices);
  }
}
