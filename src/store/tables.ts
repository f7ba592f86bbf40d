/**
 * The tables as Kysely sees them. Column names are camelCase here and snake_case in the database
 * (`CamelCasePlugin`, which leaves the keys inside user JSON alone). `migrations/` is the truth.
 */
import type { ColumnType, Generated } from 'kysely';
import type {
  AgentKind,
  CancelMode,
  DatasourceKind,
  DocumentName,
  KeyRole,
  PauseReason,
  StoredDocument,
} from '../domain/model.ts';
import type { RoundParameters } from '../domain/retry-selection.ts';
import type { BatchSpec, InputOverrides, PinnedSpec } from '../domain/spec.ts';
import type { ExecutionStatus } from '../domain/states.ts';
import type { CreatedAt, Json, JsonOrNull } from './column-types.ts';
import type {
  BatchItemInputTable,
  BatchItemTable,
  ExecutionUsageTable,
  InputSpanTable,
  ItemCancelTable,
  ItemCorrectionTable,
  ItemFailureTable,
  ItemLogTable,
  ItemResultTable,
  ItemStretchTable,
} from './item-tables.ts';
import type {
  BatchDraftGapTable,
  BatchDraftTable,
  DeletionTable,
  ListedChangeTable,
  ProjectChangeTable,
} from './upkeep-tables.ts';

export interface Database {
  customer: CustomerTable;
  project: ProjectTable;
  apiKey: ApiKeyTable;
  datasource: DatasourceTable;
  dataElement: DataElementTable;
  agent: AgentTable;
  agentVersion: AgentVersionTable;
  secret: SecretTable;
  batchDefinition: BatchDefinitionTable;
  definitionRequest: DefinitionRequestTable;
  batchExecution: BatchExecutionTable;
  batchDraft: BatchDraftTable;
  batchDraftGap: BatchDraftGapTable;
  deletion: DeletionTable;
  projectChange: ProjectChangeTable;
  listedChange: ListedChangeTable;
  executionRound: ExecutionRoundTable;
  executionLane: ExecutionLaneTable;
  executionChange: ExecutionChangeTable;
  batchItem: BatchItemTable;
  batchItemInput: BatchItemInputTable;
  inputSpan: InputSpanTable;
  /** A view: every input, whether it is copied or not. */
  everyInput: BatchItemInputTable;
  itemResult: ItemResultTable;
  itemStretch: ItemStretchTable;
  /** A view: every item, whether it has a row or not. */
  everyItem: BatchItemTable;
  /** A view: every result. */
  everyResult: ItemResultTable;
  itemFailure: ItemFailureTable;
  itemCorrection: ItemCorrectionTable;
  executionUsage: ExecutionUsageTable;
  itemLog: ItemLogTable;
  itemCancel: ItemCancelTable;
}

export interface CustomerTable {
  id: string;
  slug: string;
  name: string;
  createdAt: CreatedAt;
}

export interface ProjectTable {
  id: string;
  customerId: string;
  slug: string;
  name: string;
  /** Days that executions are kept after their end; null for the service's own setting. */
  retentionDays: number | null;
  createdAt: CreatedAt;
}

export interface ApiKeyTable {
  id: string;
  customerId: string;
  projectId: string;
  role: KeyRole;
  name: string;
  prefix: string;
  /** SHA-256 of the key in hex. */
  hash: string;
  createdAt: CreatedAt;
  expiresAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
}

export interface DatasourceTable {
  id: string;
  projectId: string;
  kind: DatasourceKind;
  name: string;
  description: string | null;
  folderPath: string | null;
  folderGlob: string | null;
  /** INLINE: the hash of its items, so that equal items are one datasource; null for the items of one draft. */
  contentHash: string | null;
  createdAt: CreatedAt;
}

export interface DataElementTable {
  datasourceId: string;
  id: string;
  /**
   * The order in which a datasource lists its elements: that of insertion within all elements, and for the items of
   * a draft their index in it.
   */
  position: Generated<number>;
  filename: string;
  mediaType: string;
  metadata: JsonOrNull<unknown>;
  documents: Json<StoredDocument[]>;
  /** The names of the documents where there are several, so that they need not be read; else null. */
  documentNames: JsonOrNull<DocumentName[]>;
  sizeBytes: number;
  /** null where the content was not read: that of another datasource's element. */
  contentHash: string | null;
  /** Where the content is: an element of another datasource; null where it is here. */
  sourceDatasourceId: string | null;
  sourceElementId: string | null;
  createdAt: CreatedAt;
  updatedAt: ColumnType<Date, Date | undefined, Date>;
}

export interface AgentTable {
  id: string;
  projectId: string | null;
  name: string;
  kind: AgentKind;
  /** HTTP and CHAT: the version that a new execution runs; null only while it is being made. */
  currentVersionId: ColumnType<string | null, never, string>;
  deletedAt: ColumnType<Date | null, never, Date>;
  createdAt: CreatedAt;
}

export interface AgentVersionTable {
  id: string;
  agentId: string;
  version: number;
  contentHash: string;
  /** MODULE: the bundled source that this version runs. */
  source: string | null;
  configSchema: JsonOrNull<unknown>;
  description: string | null;
  /** HTTP and CHAT: how it is reached, with secrets by name only. */
  config: JsonOrNull<unknown>;
  createdAt: CreatedAt;
}

/** A value of a project's that is read only to call agents. */
export interface SecretTable {
  projectId: string;
  name: string;
  /** Which secret key it is sealed under. */
  keyId: string;
  sealed: string;
  createdAt: CreatedAt;
  updatedAt: ColumnType<Date, Date | undefined, Date>;
}

export interface BatchDefinitionTable {
  id: string;
  projectId: string;
  name: string;
  version: number;
  parentId: string | null;
  urn: string;
  description: string | null;
  spec: Json<BatchSpec>;
  specHash: string;
  createdAt: CreatedAt;
  createdBy: string | null;
  deletedAt: ColumnType<Date | null, never, Date>;
  /** Whether it came with an execution alone, and nobody asked for a definition. */
  implicit: Generated<boolean>;
}

/** Which version a create or an update with an idempotency key came to. */
export interface DefinitionRequestTable {
  projectId: string;
  idempotencyKey: string;
  requestHash: string;
  definitionId: string;
  createdAt: CreatedAt;
}

export interface BatchExecutionTable {
  id: string;
  projectId: string;
  definitionId: string;
  name: string;
  metadata: JsonOrNull<unknown>;
  inputOverrides: JsonOrNull<InputOverrides>;
  spec: Json<PinnedSpec>;
  inputDatasourceId: string;
  outputDatasourceId: string | null;
  rerunOf: string | null;
  idempotencyKey: string | null;
  requestHash: string | null;
  createdBy: string | null;
  status: ExecutionStatus;
  revision: Generated<number>;
  round: Generated<number>;
  concurrency: number;
  retryLimit: number;
  total: Generated<number>;
  queued: Generated<number>;
  running: Generated<number>;
  retrying: Generated<number>;
  succeeded: Generated<number>;
  failed: Generated<number>;
  cancelled: Generated<number>;
  expired: Generated<number>;
  /** Of the succeeded, those with field errors. */
  flawed: Generated<number>;
  /** The next ordinal that a claim looks at. */
  poolCursor: Generated<number>;
  /** Where freezing goes on after a restart; null before the first chunk. */
  freezeCursor: string | null;
  /** The last place among its datasource's rows that it takes; null: it takes all. */
  freezeUntil: number | null;
  sealedAt: Date | null;
  /** The next ordinal that a whole-set retry looks at; null when none is under way. */
  retryCursor: number | null;
  deadlineAt: Date | null;
  priority: Generated<number>;
  toleratedFailures: number | null;
  toleratedFailurePercent: number | null;
  sampleSize: number | null;
  pauseReason: PauseReason | null;
  /** What it waits for, and until when; null while it does not. */
  waitReason: string | null;
  waitUntil: Date | null;
  /** Why it cannot go on; its open items are being closed. */
  stopReason: string | null;
  roundOpenedAt: ColumnType<Date, Date | undefined, Date>;
  roundClosedBase: Generated<number>;
  lastActivityAt: ColumnType<Date, Date | undefined, Date>;
  createdAt: CreatedAt;
  startedAt: Date | null;
  endedAt: Date | null;
  cancelRequestedAt: Date | null;
  cancelMode: CancelMode | null;
  cancelReason: string | null;
  error: string | null;
  /** Sums of `execution_usage`; null while no call said what it used. */
  tokensUsed: number | null;
  costUsed: string | null;
  /** It pauses once this is used; null for no bound. */
  tokenBudget: number | null;
  costBudget: string | null;
  /** Items by status in every tier but the first, seven numbers each; null with one tier. */
  tierCounts: number[] | null;
  /** When the first item entered each tier, null for the first tier and for what has not happened. */
  tierEnteredAt: (Date | null)[] | null;
  /** When an item last left each tier or ended in it. */
  tierLeftAt: (Date | null)[] | null;
  /** Rises with each chunk of items that are cancelled one by one; lanes follow it. */
  itemCancels: Generated<number>;
}

/** What opened a round, and which agent versions it runs. */
export interface ExecutionRoundTable {
  executionId: string;
  round: number;
  openedAt: CreatedAt;
  /** One per tier. */
  agentVersionIds: string[];
  /** The retry's selection as JSON; null for round 0. */
  selection: JsonOrNull<unknown>;
  /** What the round changed of how the execution runs; null for nothing. */
  parameters: JsonOrNull<RoundParameters>;
}

export interface ExecutionLaneTable {
  executionId: string;
  no: number;
  share: number;
  epoch: Generated<number>;
  /** The node that runs it; null when it was given back cleanly or never taken. */
  owner: string | null;
  /** Ordinals taken from the pool and not known to be settled. */
  claim: ColumnType<number[], number[] | undefined, number[]>;
  /** Whether items of the claim may have been running in a process that died, and have not been started since. */
  suspects: Generated<boolean>;
  /** Calls that were told to stop, have not, and hold a slot; true only while `overdueEpoch` is the epoch. */
  overdueCalls: Generated<number>;
  overdueSince: Date | null;
  overdueEpoch: number | null;
  /** How often it was taken from a node that died, and when last. */
  takeovers: Generated<number>;
  takenOverAt: Date | null;
}

/** Which items each revision changed: what a subscriber that comes back reads. */
export interface ExecutionChangeTable {
  executionId: string;
  revision: number;
  ordinals: number[];
  /** All items from this ordinal on came with the change, or later; null where it says nothing of that. */
  appendedFrom: number | null;
}
