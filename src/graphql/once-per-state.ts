/** Sharing what is derived from one state of an execution between all subscribers who are shown that state. */
import type { Execution } from '../domain/model.ts';
import type { BatchLoad, Context } from './context.ts';

/**
 * The value for an execution as it stands, loaded once for each object that holds its state.
 *
 * A subscription's event hands the same object to every subscriber, so a thousand of them cost one load. A query
 * reads its own object. What fails is not kept.
 */
export function oncePerState<V>(load: BatchLoad<Execution, V>): (execution: Execution, ctx: Context) => Promise<V> {
  const known = new WeakMap<Execution, Promise<V>>();
  return (execution, ctx) => {
    const value = known.get(execution) ?? ctx.loaders.of(load, ctx).load(execution);
    known.set(execution, value);
    void value.catch(() => known.delete(execution));
    return value;
  };
}
