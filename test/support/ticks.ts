/** A subscription of the tests' own, `ticks`, that a test feeds by hand. Import it before the schema is built. */
import { builder } from '../../src/graphql/builder.ts';

/** Ends of the open streams: each gets what `tick` is called with. */
const open = new Set<(value: number) => void>();

/** Sends a number to every stream that is open. */
export const tick = (value: number): void => {
  for (const push of open) push(value);
};

/** How many streams are open. */
export const openTicks = (): number => open.size;

class Ticks implements AsyncIterableIterator<number, undefined> {
  readonly #unread: number[] = [];
  #waiting: ((result: IteratorResult<number, undefined>) => void) | null = null;
  readonly #push = (value: number): void => {
    if (this.#waiting === null) this.#unread.push(value);
    else this.#waiting({ done: false, value });
    this.#waiting = null;
  };

  constructor() {
    open.add(this.#push);
  }

  next(): Promise<IteratorResult<number, undefined>> {
    const value = this.#unread.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<number, undefined>> {
    open.delete(this.#push);
    this.#waiting?.({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

builder.subscriptionField('ticks', (t) =>
  t.int({ description: 'Numbers that a test sends.', subscribe: () => new Ticks(), resolve: (value) => value }),
);

builder.queryField('breaks', (t) =>
  t.string({
    description: 'Throws what no caller should see.',
    resolve: () => {
      throw new Error('password=hunter2');
    },
  }),
);

builder.queryField('echo', (t) =>
  t.field({
    type: 'JSON',
    nullable: true,
    description: 'Answers its argument.',
    args: { value: t.arg({ type: 'JSON', description: 'Anything.' }) },
    resolve: (_root, { value }) => value ?? null,
  }),
);
