/** The service's way out to other hosts: every call of a stored agent and every document by URL goes through it. */
import type { Agent } from 'undici';
import type { AllowedHost } from '../../domain/allowed-hosts.ts';
import { createAddressGuard } from './address-guard.ts';
import type { PoolLimits, ResolveName } from './guarded-pool.ts';
import type { SafeFetch } from './safe-fetch.ts';

/** How a fetch of its own pool behaves. */
export interface FetchLimits extends PoolLimits {
  readonly maxRedirects: number;
}

/** Makes guarded fetches, and ends their connections. */
export interface Outgoing {
  /** A fetch with a pool of its own, which ends connections that nobody uses. */
  openFetch(limits: FetchLimits): SafeFetch;
  /** Ends every connection; what is still called fails. */
  stop(): Promise<void>;
}

/** The way out, with the hosts that an operator allows beyond the public ones. */
export function createOutgoing(allowed: readonly AllowedHost[], resolveName?: ResolveName): Outgoing {
  const guard = createAddressGuard(allowed);
  // Who has a fetch keeps its pool, so that the pools of agents that are no longer run do not stay for good.
  const pools = new Set<WeakRef<Agent>>();
  let isStopped = false;

  // Loaded with the first call: a tenth of a second that a service which calls nobody, or not yet, need not start with.
  async function open({ maxRedirects, ...limits }: FetchLimits): Promise<SafeFetch> {
    const [{ createGuardedPool }, { createSafeFetch }] = await Promise.all([
      import('./guarded-pool.ts'),
      import('./safe-fetch.ts'),
    ]);
    const pool = createGuardedPool(limits, guard, resolveName);
    for (const old of pools) if (old.deref() === undefined) pools.delete(old);
    pools.add(new WeakRef(pool));
    if (isStopped) await pool.destroy();
    return createSafeFetch(pool, maxRedirects);
  }

  return {
    openFetch(limits) {
      let opened: Promise<SafeFetch> | null = null;
      return async (url, request) => {
        opened ??= open(limits).catch((error: unknown) => {
          // Not kept: where a file too many was open, the next call may load what it needs.
          opened = null;
          throw error;
        });
        const fetch = await opened;
        return await fetch(url, request);
      };
    },
    async stop() {
      isStopped = true;
      const open = [...pools].map((pool) => pool.deref());
      pools.clear();
      await Promise.all(open.map((pool) => pool?.destroy()));
    },
  };
}
