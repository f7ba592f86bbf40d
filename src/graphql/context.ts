/** What every resolver is given: who asks, the services' parts, and loaders that live for one request. */
import DataLoader from 'dataloader';
import type { Actor } from '../domain/model.ts';
import { UnauthenticatedError } from '../domain/user-error.ts';
import type { ServiceDeps } from '../services/ports.ts';

/** Reads many keys at once; answers one value (or an Error) for each, in the order of the keys. */
export type BatchLoad<K, V> = (keys: readonly K[], ctx: Context) => Promise<readonly (V | Error)[]>;

/** The context of one HTTP request or one WebSocket operation. */
export interface Context {
  /** null: no valid key came along; the request is answered with UNAUTHENTICATED before any resolver runs. */
  readonly actor: Actor | null;
  readonly deps: ServiceDeps;
  readonly loaders: Loaders;
}

/**
 * The request's loaders, each made when first asked for.
 *
 * `ctx.loaders.of(load, ctx).load(id)` gathers the ids asked for in one tick into one `load`. Nothing is kept
 * after the batch: a subscription's context lives for hours and must see what is true now.
 */
export class Loaders {
  readonly #made = new Map<unknown, unknown>();

  of<K, V>(load: BatchLoad<K, V>, ctx: Context): DataLoader<K, V> {
    const made = this.#made.get(load);
    // The map is keyed by the load function itself, whose type names K and V.
    if (made !== undefined) return made as DataLoader<K, V>;
    const loader = new DataLoader<K, V>(async (keys) => {
      loader.clearAll();
      return load(keys, ctx);
    });
    this.#made.set(load, loader);
    return loader;
  }
}

/** The actor of a request that passed authentication; throws UnauthenticatedError where there is none. */
export function actorOf(ctx: Context): Actor {
  if (ctx.actor === null) throw new UnauthenticatedError();
  return ctx.actor;
}
