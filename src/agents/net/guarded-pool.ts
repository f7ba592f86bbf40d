/** Connections that are kept alive and only ever lead to allowed addresses. */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import type { AddressGuard, Target } from './address-guard.ts';

/** Resolves a name to all its addresses. */
export type ResolveName = (
  hostname: string,
  callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** How a pool connects and waits. Times are in ms. */
export interface PoolLimits {
  /** Connections to one origin at once; further calls wait for one. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** Until the head of an answer is there. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of an answer's body. */
  readonly bodyTimeoutMs: number;
}

/** Addresses as the system resolves them. */
const resolveBySystem: ResolveName = (hostname, callback) => systemLookup(hostname, { all: true }, callback);

/** A pool whose every new connection is checked by the guard, with the addresses that it goes to. */
export function createGuardedPool(
  limits: PoolLimits,
  guard: AddressGuard,
  resolveName: ResolveName = resolveBySystem,
): Agent {
  const connectors = new Map<string, buildConnector.connector>();

  /** The connector for a protocol and port: a look-up is told neither, and what is allowed depends on both. */
  function connectorFor(protocol: string, port: number): buildConnector.connector {
    const key = `${protocol}${port}`;
    const known = connectors.get(key);
    if (known !== undefined) return known;
    const made = buildConnector({
      timeout: limits.connectTimeoutMs,
      lookup: guardedLookup((host) => ({ protocol, host, port })),
      // The type wants a port here, too; each call brings its own.
      port,
    });
    connectors.set(key, made);
    return made;
  }

  function guardedLookup(targetOf: (host: string) => Target): LookupFunction {
    return (hostname, options, callback) => {
      resolveName(hostname, (failed, addresses) => {
        const [first] = addresses;
        if (failed !== null || first === undefined) return callback(failed ?? notFound(hostname), '');
        const refused = refusal(
          targetOf(hostname),
          addresses.map(({ address }) => address),
        );
        if (refused !== null) return callback(refused, '');
        if (options.all === true) return callback(null, [...addresses]);
        return callback(null, first.address, first.family);
      });
    };
  }

  function refusal(target: Target, addresses: readonly string[]): Error | null {
    try {
      guard(target, addresses);
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  return new Agent({
    connections: limits.connections,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    connect: (options, callback) => {
      const { protocol, hostname } = options;
      const port = Number(options.port) || (protocol === 'https:' ? 443 : 80);
      // An address in the URL is never looked up.
      const refused = isIP(hostname) === 0 ? null : refusal({ protocol, host: hostname, port }, [hostname]);
      if (refused !== null) return callback(refused, null);
      return connectorFor(protocol, port)(options, callback);
    },
  });
}

const notFound = (hostname: string): Error =>
  Object.assign(new Error(`There is no address of ${hostname}.`), { code: 'ENOTFOUND' });
