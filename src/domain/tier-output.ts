/** What a tier promises of its results: a JSON Schema of the data, and which artifacts come along. */

/** The kinds of artifact that a rule may ask for, each with the media types that it takes. */
export const ARTIFACT_TYPES = {
  JSON: /^application\/(?:json|[^;]+\+json)$/,
  MARKDOWN: /^text\/(?:x-)?markdown$/,
  CSV: /^(?:text|application)\/csv$/,
  YAML: /^(?:text|application)\/(?:x-)?yaml$/,
  TEXT: /^text\//,
  HTML: /^(?:text\/html|application\/xhtml\+xml)$/,
  XML: /^(?:(?:text|application)\/xml|application\/[^;]+\+xml)$/,
  PDF: /^application\/pdf$/,
  IMAGE: /^image\//,
  ANY: /^/,
} as const;
export type ArtifactType = keyof typeof ARTIFACT_TYPES;

/** Where an artifact's bytes are to be: in the result itself, or behind a URL that the agent gives. */
export const ARTIFACT_STORAGES = ['ANY', 'INLINE', 'URL'] as const;
export type ArtifactStorage = (typeof ARTIFACT_STORAGES)[number];

/** What one artifact must be; it is the one whose id, or else whose filename, is the rule's name. */
export interface ArtifactRule {
  readonly name: string;
  readonly type: ArtifactType;
  readonly required: boolean;
  readonly storage?: ArtifactStorage;
  readonly maxSizeBytes?: number;
  /** JSON Schema of its content; only for JSON. */
  readonly schema?: unknown;
}

/** What a tier promises; nothing is checked of what is absent. */
export interface OutputRules {
  readonly outputSchema?: unknown;
  readonly artifacts?: readonly ArtifactRule[];
}

/** The rules of a tier, or null when it has none. */
export function rulesOf(tier: OutputRules | undefined): OutputRules | null {
  return tier !== undefined && (tier.outputSchema !== undefined || (tier.artifacts ?? []).length > 0) ? tier : null;
}
