/** The fields that a template may name outside repeated parts. */
export const FIELD_NAMES: ReadonlySet<string> = new Set([
  ...['text', 'json', 'documents', 'filename', 'mediaType', 'metadata', 'dataElementId', 'ordinal'],
  ...['previous', 'userMessage', 'config'],
]);
