/** Finds the key and the tenant in what a client sent along. */
import type { Credentials } from '../services/authenticate.ts';

const BEARER = /^Bearer[ \t]+(\S+)[ \t]*$/i;

/** Headers that carry an API key; each makes a browser ask before it sends a request to another origin. */
export const KEY_HEADERS = ['authorization', 'x-api-key', 'meibel-api-key'] as const;

/** The credentials in HTTP headers: the first key of `Authorization: Bearer`, `x-api-key`, `Meibel-API-Key`. */
export const headerCredentials = (headers: Headers): Credentials => credentials((name) => headers.get(name));

/** The same names, in any case, in the payload of a WebSocket's `connection_init`. */
export function paramCredentials(params: Readonly<Record<string, unknown>>): Credentials {
  const byName = new Map(Object.entries(params).map(([name, value]) => [name.toLowerCase(), value]));
  return credentials((name) => {
    const value = byName.get(name);
    return typeof value === 'string' ? value : null;
  });
}

function credentials(get: (name: string) => string | null): Credentials {
  const given = (name: string) => get(name)?.trim() || null;
  const bearer = BEARER.exec(get('authorization') ?? '')?.[1] ?? null;
  return {
    key: bearer ?? given('x-api-key') ?? given('meibel-api-key'),
    customer: given('x-tenant-id'),
    project: given('x-namespace'),
  };
}
