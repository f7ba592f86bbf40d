/** The service's way out to other hosts: every call of a stored agent and every document by URL goes through it. */
import type { Agent } from 'undici';
import type { AllowedHost } from '../../domain/allowed-hosts.ts';
import { createAddressGuard } from './address-guard.ts';
import { createGuardedPool, type PoolLimits, type ResolveName, resolveBySystem } from './guarded-pool.ts';
import { createSafeFetch, type SafeFetch } from './safe-fetch.ts';

/** How a fetch of its own pool behaves. */
export interface FetchLimits extends PoolLimits {
  readonly maxRedirects: number;
}

/** Makes guarded fetches, and ends their connections. */
export interface Outgoing {
  /** A fetch with a pool of its own, kept until `stop`. */
  openFetch(limits: FetchLimits): SafeFetch;
  /** Ends every connection; what is still called fails. */
  stop(): Promise<void>;
}

/** The way out, with the hosts that an operator allows beyond the public ones. */
export function createOutgoing(allowed: readonly AllowedHost[], resolveName: ResolveName = resolveBySystem): Outgoing {
  const guard = createAddressGuard(allowed);
  const pools: Agent[] = [];
  return {
    openFetch({ maxRedirects, ...limits }) {
      const pool = createGuardedPool(limits, guard, resolveName);
      pools.push(pool);
      return createSafeFetch(pool, maxRedirects);
    },
    async stop() {
      await Promise.all(pools.splice(0).map((pool) => pool.destroy()));
    },
  };
}
