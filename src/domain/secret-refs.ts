/** Where a config refers to secrets: `{ "secret": "<name>" }`, at any depth. */

/** One reference, with its place in the config. */
export interface SecretRef {
  readonly path: readonly string[];
  readonly name: string;
}

/** Every reference to a secret in a config, in reading order. The config must have been checked: it is not deep. */
export function secretRefs(config: unknown, path: readonly string[] = []): readonly SecretRef[] {
  if (typeof config !== 'object' || config === null) return [];
  return Object.entries(config).flatMap(([key, value]) =>
    key === 'secret' && typeof value === 'string'
      ? [{ path: [...path, key], name: value }]
      : secretRefs(value, [...path, key]),
  );
}
