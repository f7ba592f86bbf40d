/** Calls to the database that fail as a broken connection makes them fail: before they are sent, or with the answer lost. */
import type { LaneStore } from '../../src/engine/ports.ts';

/** The calls of a store, and the one beside it that prepares. */
export type CallName = keyof LaneStore | 'prepare';

export class Hiccups {
  #names: ReadonlySet<CallName> | null = null;
  #unsent = 0;
  #unanswered = 0;

  /** From now on: of the calls with these names (null: of all) so many are not sent, then so many not answered. */
  begin(names: readonly CallName[] | null, unsent: number, unanswered: number): void {
    this.#names = names && new Set(names);
    this.#unsent = unsent;
    this.#unanswered = unanswered;
  }

  end(): void {
    this.begin(null, 0, 0);
  }

  /** The call, which fails when it is its turn. */
  of<Args extends unknown[], Answer>(name: CallName, call: (...args: Args) => Promise<Answer>) {
    return async (...args: Args): Promise<Answer> => {
      const broken = Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
      const meant = this.#names?.has(name) ?? true;
      if (meant && this.#unsent > 0) {
        this.#unsent -= 1;
        throw broken;
      }
      const answer = await call(...args);
      if (meant && this.#unsent === 0 && this.#unanswered > 0) {
        this.#unanswered -= 1;
        throw broken;
      }
      return answer;
    };
  }

  /** A store whose calls fail when it is their turn. */
  over(store: LaneStore): LaneStore {
    const { refusedData, ...asked } = store;
    const calls = Object.entries(asked).map(([name, call]) => [
      name,
      this.of(name as CallName, call as (...args: unknown[]) => Promise<unknown>),
    ]);
    return { ...(Object.fromEntries(calls) as typeof asked), refusedData };
  }
}
