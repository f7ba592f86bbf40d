/**
 * Every limit and default of the service, as one table.
 *
 * The README prints it and clients can query it (`limits`). A setting in `src/config.ts` may lower or raise
 * those marked there; the rest are part of the contract.
 */
export const LIMITS = {
  concurrency: { min: 1, max: 999, default: 10 },
  retryLimit: { min: 0, max: 999, default: 2 },
  itemTimeoutMs: { min: 1, max: 86_400_000, default: 300_000 },
  /** What a million tokens cost. */
  tokenPrice: { min: 0, max: 1_000_000 },
  rateLimitStarts: { min: 1, max: 1_000_000 },
  priority: { min: -10, max: 10, default: 0 },
  pageSize: { max: 1000, default: 50 },
  inlineItems: 10_000,
  /** Hours that an unsubmitted draft stays after the last change of its items. */
  draftHours: 24,
  /** Days that executions are kept after their end, where that is limited. */
  retentionDays: { min: 1, max: 36_500 },
  /** Minutes that a link to results works without a key. */
  resultsUrlMinutes: 60,
  tiers: 20,
  documentsPerItem: 100,
  /** Characters of a document's URL. */
  urlLength: 4_000,
  /** Bytes of one element's documents together, as stored. */
  elementBytes: 50 * 1024 * 1024,
  /** Bytes of the HTTP body of one GraphQL call. */
  requestBytes: 10 * 1024 * 1024,
  /** Bytes of one WebSocket message. */
  socketMessageBytes: 10 * 1024 * 1024,
  /** Bytes of one item's result in one tier, as JSON text. */
  resultBytes: 10 * 1024 * 1024,
  metadataBytes: 64 * 1024,
  /** Bytes of a tier's config, as JSON text. */
  configBytes: 256 * 1024,
  /** Bytes of one JSON Schema of results, as JSON text. */
  schemaBytes: 64 * 1024,
  /** Rules for artifacts in one tier. */
  artifactRules: 50,
  /** Patches of one correction. */
  correctionPatches: 100,
  /** UTF-8 bytes of an element's id; a database index takes no more than 2,700. */
  elementIdBytes: 1_024,
  /** Element ids in one filter. */
  filterElementIds: 10_000,
  /** Elements after which a preview counts no further. */
  previewMatches: 100_000,
  /** Delay before the first automatic retry, and the longest delay. */
  backoffMs: { min: 0, max: 86_400_000 },
  backoffFactor: { min: 1, max: 10 },
  /** Characters of a secret's value. A shorter one could not be taken out of texts without spoiling them. */
  secretLength: { min: 8, max: 8_192 },
  secretsPerProject: 1_000,
  /** Headers that an agent's config adds to each call. */
  agentHeaders: 50,
  /** Connections that one agent keeps open on one node. */
  agentConnections: { min: 1, max: 999, default: 100 },
  agentRedirects: { min: 0, max: 10, default: 3 },
  /** Bytes of the body of one call of an agent. */
  agentRequestBytes: { min: 1_024, max: 128 * 1024 * 1024, default: 16 * 1024 * 1024 },
  jsonDepth: 64,
  nameLength: 200,
  messageLength: 2_000,
  failureDetailsBytes: 16 * 1024,
  /** Characters of an error's stack that are kept. */
  traceLength: 2_000,
  /** Lines that are kept of what an agent logs in one attempt, and characters of one. */
  logLines: 200,
  logLineLength: 2_000,
  userMessageLength: 100_000,
  patternLength: 1_000,
  idempotencyKeyLength: 255,
  maxRetryCount: { min: 1, max: 10, default: 3 },
  nodesPerQuery: 100,
  queryDepth: 12,
  queryAliases: 30,
  queryTokens: 2_000,
  queryComplexity: 20_000,
  subscriptionsPerConnection: 100,
  changedItemsPerEvent: 100,
  /** The shortest time between two events of one subscription; the last may come sooner. */
  updateIntervalMs: 50,
  /** Most items that one statement of a whole-set move touches. */
  sweepChunk: 1_000,
} as const;
