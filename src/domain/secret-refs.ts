/** Where an agent's config refers to secrets: `{ "secret": "<name>" }`. */

/** One reference, with its place in the config. */
export interface SecretRef {
  readonly path: readonly string[];
  readonly name: string;
}

/** The entries of a config that may refer to secrets; others may hold JSON of the user's own that looks the same. */
const PLACES: ReadonlySet<string> = new Set(['headers', 'apiKey']);

/** Every reference to a secret in a checked config, in reading order. */
export const secretRefs = (config: object): readonly SecretRef[] =>
  Object.entries(config).flatMap(([key, value]) => (PLACES.has(key) ? refsIn(value, [key]) : []));

function refsIn(value: unknown, path: readonly string[]): readonly SecretRef[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, entry]) =>
    key === 'secret' && typeof entry === 'string'
      ? [{ path: [...path, key], name: entry }]
      : refsIn(entry, [...path, key]),
  );
}
