/** The limits of the service as clients can query them. */
import { LIMITS } from '../domain/limits.ts';
import { builder } from './builder.ts';

type LimitName = keyof typeof LIMITS;
interface Range {
  readonly min?: number;
  readonly max: number;
  readonly default?: number;
}
const RANGES = {
  concurrency: 'Items of one execution that run at once.',
  retryLimit: 'Automatic retries of one item in one tier and round.',
  itemTimeoutMs: 'Time of one attempt, in ms.',
  tokenPrice: 'What a million tokens cost, in `prices`.',
  rateLimitStarts: 'Starts of an agent in one second or minute, in a `rateLimit`.',
  priority: 'Weight of an execution where executions compete; each step doubles its share.',
  pageSize: 'Entries of one page of a list.',
  backoffMs: 'Delay before the first automatic retry, and the longest delay, in ms.',
  backoffFactor: 'What the delay grows by from one automatic retry to the next.',
  retentionDays: 'Days that executions are kept after their end, where that is limited; kept for ever by default.',
  maxRetryCount: 'Manual retries of one item, in `retryFailedItems`.',
  secretLength: "Characters of a secret's value.",
  agentConnections: 'Connections that an http or chat agent keeps open on one node.',
  agentRedirects: 'Redirects that an http agent follows.',
  agentRequestBytes: 'Bytes of the body of one call of an http agent.',
} satisfies { [name in RangeName]: string };
type RangeName = { [name in LimitName]: (typeof LIMITS)[name] extends Range ? name : never }[LimitName];

const NUMBERS = {
  inlineItems:
    'Items in one `createBatchExecution` or `addBatchItems`; `POST /executions/<id>/items` takes any number.',
  draftHours: 'Hours after which a draft is cancelled when nothing is added to it and it is not submitted.',
  resultsUrlMinutes: 'Minutes that a `resultsUrl` works without a key.',
  tiers: 'Tiers of one definition.',
  documentsPerItem: 'Documents of one item.',
  urlLength: "Characters of a document's URL.",
  elementBytes: "Bytes of one element's documents together.",
  requestBytes: 'Bytes of the body of one HTTP request.',
  socketMessageBytes: 'Bytes of one WebSocket message.',
  configBytes: "Bytes of a tier's config, as JSON text.",
  schemaBytes: 'Bytes of one JSON Schema of results, as JSON text.',
  artifactRules: 'Rules for artifacts in one tier.',
  correctionPatches: 'Patches of one correction of a result.',
  elementIdBytes: "UTF-8 bytes of an element's id.",
  filterElementIds: 'Ids in an `elementIds` filter.',
  previewMatches: 'Elements after which `batchInputPreview` counts no further.',
  resultBytes: "Bytes of one item's result in one tier, as JSON text.",
  metadataBytes: 'Bytes of one `metadata` value, as JSON text.',
  secretsPerProject: 'Secrets of one project.',
  agentHeaders: "Headers in an http agent's config.",
  jsonDepth: 'Levels of nesting in one JSON value.',
  nameLength: 'Characters of a name.',
  messageLength: 'Characters of an error message that are kept.',
  failureDetailsBytes: "Bytes of a failure's `details` that are kept.",
  traceLength: "Characters of a failure's `trace` that are kept.",
  logLines: 'Lines that are kept of what an agent logs in one attempt.',
  logLineLength: 'Characters of one such line.',
  userMessageLength: 'Characters of a `userMessage`.',
  patternLength: 'Characters of a `regex` filter.',
  idempotencyKeyLength: 'Characters of an `idempotencyKey`.',
  nodesPerQuery: 'Ids in one `nodes` field.',
  queryDepth: 'Levels of nesting in one query.',
  queryAliases: 'Aliases in one document.',
  queryTokens: 'Tokens in one document.',
  queryComplexity: 'Cost of one query: a field costs 1, and what is below a list counts once for each entry.',
  subscriptionsPerConnection: 'Open operations on one WebSocket connection.',
  changedItemsPerEvent: 'Items that one event of `batchExecutionUpdated` lists.',
  updateIntervalMs: 'Shortest time between two events of one subscription, in ms; the last may come sooner.',
  sweepChunk:
    'Items that one commit of a cancellation or retry touches; twice as many where a whole execution is closed on PostgreSQL.',
} satisfies { [name in Exclude<LimitName, RangeName>]: string };

const LimitRange = builder.objectRef<Range>('LimitRange').implement({
  description: 'From where to where a value may go, and what it is when it is not given.',
  fields: (t) => ({
    min: t.int({ description: 'The smallest value.', resolve: (range) => range.min ?? 0 }),
    max: t.exposeInt('max', { description: 'The largest value.' }),
    default: t.int({
      nullable: true,
      description: 'The value when none is given; null: there is none of its own.',
      resolve: (range) => range.default ?? null,
    }),
  }),
});

const Limits = builder.objectRef<typeof LIMITS>('Limits').implement({
  description: 'Every limit and default of this service.',
  fields: (t) => {
    const range = (name: RangeName) =>
      t.field({ type: LimitRange, description: RANGES[name], resolve: (limits) => limits[name] });
    const number = (name: Exclude<LimitName, RangeName>) => t.exposeInt(name, { description: NUMBERS[name] });
    const rangeNames = Object.keys(RANGES) as RangeName[];
    const numberNames = Object.keys(NUMBERS) as Exclude<LimitName, RangeName>[];
    return Object.fromEntries([
      ...rangeNames.map((name) => [name, range(name)] as const),
      ...numberNames.map((name) => [name, number(name)] as const),
    ]);
  },
});

builder.queryField('limits', (t) =>
  t.field({ type: Limits, description: 'Every limit and default of this service.', resolve: () => LIMITS }),
);
