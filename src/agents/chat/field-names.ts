/** The fields that a template may name outside repeated parts. */
export const FIELD_NAMES: ReadonlySet<string> = new Set([
  ...['text', 'json', 'documents', 'filename', 'mediaType', 'metadata', 'dataElementId', 'ordinal'],
  ...['previous', 'userMessage', 'config'],
]);

/** Those that a tier's userMessage may name: it cannot contain itself. */
export const MESSAGE_FIELD_NAMES: ReadonlySet<string> = new Set(
  [...FIELD_NAMES].filter((name) => name !== 'userMessage'),
);
