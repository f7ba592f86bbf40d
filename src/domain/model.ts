/** The stored objects as the rest of the code sees them. Dates are instants, JSON fields are parsed user data. */
import type { ErrorCategory } from './item-error.ts';
import type { BatchSpec, InputOverrides, PinnedSpec } from './spec.ts';
import type { ExecutionStatus, ItemStatus } from './states.ts';
import type { PricedUsage } from './usage.ts';

export interface Customer {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly createdAt: Date;
}

export interface Project {
  readonly id: string;
  readonly customerId: string;
  readonly slug: string;
  readonly name: string;
  /** Days that its executions are kept after their end; null for the service's own setting. */
  readonly retentionDays: number | null;
  readonly createdAt: Date;
}

/** What a key may do; each includes those before it. OPERATOR spans customers, ADMIN its customer, the rest one project. */
export const KEY_ROLES = ['READER', 'MEMBER', 'ADMIN', 'OPERATOR'] as const;
export type KeyRole = (typeof KEY_ROLES)[number];

export interface ApiKey {
  readonly id: string;
  readonly customerId: string;
  readonly projectId: string;
  readonly role: KeyRole;
  readonly name: string;
  /** The first characters of the key, to recognise it by. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** Who makes a request, and in which project: what a valid key and the tenant headers amount to. */
export interface Actor {
  readonly keyId: string;
  readonly role: KeyRole;
  readonly customerId: string;
  readonly projectId: string;
}

export const DATASOURCE_KINDS = ['FOLDER', 'STORED', 'INLINE', 'RESULTS', 'EXECUTION_RESULTS'] as const;
export type DatasourceKind = (typeof DATASOURCE_KINDS)[number];

/** Whether a datasource's elements are results of executions. */
export const holdsResults = ({ kind }: Pick<Datasource, 'kind'>): boolean =>
  kind === 'RESULTS' || kind === 'EXECUTION_RESULTS';

export interface Datasource {
  readonly id: string;
  readonly projectId: string;
  readonly kind: DatasourceKind;
  readonly name: string;
  readonly description: string | null;
  /** FOLDER: where its files are, below the project's folder. */
  readonly folder: { readonly path: string; readonly glob: string } | null;
  readonly createdAt: Date;
}

/** A document of an element that is stored elsewhere in the project. */
export interface DocumentRef {
  readonly datasourceId: string;
  readonly elementId: string;
  /** Its place among the element's documents, from 0. */
  readonly document: number;
}

/** One document of an element: exactly one of text, base64, json, url and element is there. */
export interface StoredDocument {
  readonly filename: string;
  readonly mediaType: string;
  readonly text?: string;
  readonly base64?: string;
  readonly json?: unknown;
  /** Fetched when the item runs. */
  readonly url?: string;
  /** Read when the item runs. */
  readonly element?: DocumentRef;
  /** url and element: whether its media type was given, or is that of the content once this is read. */
  readonly remote?: 'TYPED' | 'UNTYPED';
}

/** What a document is called. */
export type DocumentName = Pick<StoredDocument, 'filename' | 'mediaType' | 'remote'>;

/** One input of a datasource, without its content. */
export interface DataElement {
  readonly id: string;
  readonly datasourceId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  /** Its documents in order where it has several; null: one, called as the element is. */
  readonly documentNames: readonly DocumentName[] | null;
  readonly sizeBytes: number;
  /** SHA-256 in hex of the content; null where it is not known without reading it. */
  readonly contentHash: string | null;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

export const AGENT_KINDS = ['BUILT_IN', 'MODULE', 'HTTP', 'CHAT'] as const;
export type AgentKind = (typeof AGENT_KINDS)[number];
/** The kinds that a project stores itself, by mutation. */
export type StoredAgentKind = Extract<AgentKind, 'HTTP' | 'CHAT'>;

export interface Agent {
  readonly id: string;
  /** null: offered to every project. */
  readonly projectId: string | null;
  readonly name: string;
  readonly kind: AgentKind;
  /** HTTP and CHAT: the version that a new execution runs. */
  readonly currentVersionId?: string | null;
  readonly createdAt: Date;
}

export interface AgentVersion {
  readonly id: string;
  readonly agentId: string;
  readonly agentName: string;
  readonly kind: AgentKind;
  /** From 1, rising. */
  readonly version: number;
  readonly contentHash: string;
  readonly description: string | null;
  /** JSON Schema of the agent's config; null when it takes any. */
  readonly configSchema: unknown;
  /** HTTP and CHAT: how it is reached; secrets are in it by name only. */
  readonly config?: unknown;
  readonly createdAt: Date;
}

/** A named value that only agents' calls ever see. */
export interface Secret {
  readonly name: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface BatchDefinition {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly version: number;
  readonly parentId: string | null;
  readonly urn: string;
  readonly description: string | null;
  readonly spec: BatchSpec;
  readonly createdAt: Date;
  readonly createdBy: string | null;
  /** When it left the lists; from then on nothing new is made from it. */
  readonly deletedAt: Date | null;
}

/** Items by status; the seven always add up to `total`. */
export interface ItemCounts {
  readonly total: number;
  readonly queued: number;
  readonly running: number;
  readonly retrying: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
}

/**
 * Why an execution is paused: on request, after its sample, because its agent failed in a storm for too long, or
 * because its calls used what it may use.
 */
export const PAUSE_REASONS = ['USER', 'SAMPLE', 'AGENT_STORM', 'BUDGET'] as const;
export type PauseReason = (typeof PAUSE_REASONS)[number];

export const CANCEL_MODES = ['ABORT', 'DRAIN'] as const;
export type CancelMode = (typeof CANCEL_MODES)[number];

export interface Execution extends ItemCounts {
  readonly id: string;
  readonly customerId: string;
  readonly projectId: string;
  readonly definitionId: string;
  readonly name: string;
  readonly metadata: unknown;
  readonly inputOverrides: InputOverrides | null;
  readonly spec: PinnedSpec;
  readonly inputDatasourceId: string;
  /** Where its results are elements, which may have been deleted since it ended; null where it was never kept. */
  readonly outputDatasourceId: string | null;
  /** The execution that it runs again, null when none. */
  readonly rerunOf: string | null;
  readonly status: ExecutionStatus;
  readonly revision: number;
  readonly round: number;
  readonly concurrency: number;
  readonly retryLimit: number;
  readonly deadlineAt: Date | null;
  /** -10 to 10; each step doubles its share of what executions compete for. */
  readonly priority: number;
  /** More failed items than this end it early; null for any number. */
  readonly toleratedFailures: number | null;
  /** A greater share of failed items than this, in percent of all, ends it early; null for any. */
  readonly toleratedFailurePercent: number | null;
  /** Items to run before it pauses; null when it runs on. */
  readonly sampleSize: number | null;
  readonly pauseReason: PauseReason | null;
  /** It pauses once its calls have used so much; null for no bound. The cost is a decimal number. */
  readonly tokenBudget: number | null;
  readonly costBudget: string | null;
  /** What it waits for at the moment, for people, and until when. */
  readonly waitReason: string | null;
  readonly waitUntil: Date | null;
  readonly sealedAt: Date | null;
  readonly roundOpenedAt: Date;
  /** Items already closed when the round opened, the base of the round's rate. */
  readonly roundClosedBase: number;
  readonly lastActivityAt: Date;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly cancelRequestedAt: Date | null;
  readonly cancelMode: CancelMode | null;
  readonly cancelReason: string | null;
  readonly error: string | null;
  /** With several tiers, what `src/domain/tiers.ts` reads; null with one. */
  readonly tierCounts: readonly number[] | null;
  readonly tierEnteredAt: readonly (Date | null)[] | null;
  readonly tierLeftAt: readonly (Date | null)[] | null;
}

/** An item with what is listed of it; its results and failures are read apart. */
export interface Item {
  readonly executionId: string;
  readonly ordinal: number;
  readonly elementId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  readonly contentHash: string | null;
  readonly status: ItemStatus;
  readonly tier: number;
  /** Calls of the agent in the present tier and round. */
  readonly attempt: number;
  /** Manual retries. */
  readonly retryCount: number;
  /** When the next attempt is due; only while RETRYING. */
  readonly runAfter: Date | null;
  readonly revision: number;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** What an item has in one tier and round. */
export interface ItemResult {
  readonly executionId: string;
  readonly ordinal: number;
  readonly tier: number;
  readonly round: number;
  readonly attempt: number;
  readonly data: unknown;
  readonly fieldErrors: readonly FieldError[];
  readonly artifacts: readonly Artifact[];
  /** SHA-256 in hex of the content that the agent read, null when it read none. */
  readonly contentHash: string | null;
  /** When the attempt started, null where that was not recorded, and when it ended. */
  readonly startedAt: Date | null;
  readonly at: Date;
  /** The agent's confidence, 0 to 1; null when it gave none. */
  readonly score: number | null;
  readonly usage: PricedUsage | null;
}

/** A flaw in one field of an otherwise usable result; `path` is a JSON Pointer into the data. */
export interface FieldError {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** A file-like output of an item; content (base64) or url is there. */
export interface Artifact {
  readonly id: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly sizeBytes: number | null;
  readonly content: string | null;
  readonly url: string | null;
}

/** One failed attempt. */
export interface ItemFailure {
  readonly executionId: string;
  readonly ordinal: number;
  readonly tier: number;
  readonly round: number;
  readonly attempt: number;
  readonly category: ErrorCategory;
  readonly transient: boolean;
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
  readonly component: string | null;
  readonly stage: string | null;
  readonly trace: string | null;
  readonly recovery: string | null;
  readonly startedAt: Date | null;
  readonly at: Date;
  readonly usage: PricedUsage | null;
}

/** How important a line of an agent's log is. */
export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The operations of a patch, as JSON Patch (RFC 6902) has them. */
export const PATCH_OPS = ['ADD', 'REPLACE', 'REMOVE', 'TEST'] as const;
export type PatchOp = (typeof PATCH_OPS)[number];

/** One change of a result's data; `path` is a JSON Pointer into it. */
export interface CorrectionPatch {
  readonly op: PatchOp;
  readonly path: string;
  /** Absent for REMOVE. */
  readonly value?: unknown;
}

/** What a person made of a result; the result stays as it is. */
export interface ItemCorrection {
  readonly executionId: string;
  readonly ordinal: number;
  /** From 1 for each item. */
  readonly number: number;
  /** Tier and round of the result that it corrects. */
  readonly tier: number;
  readonly round: number;
  /** The data as corrected, whole. */
  readonly data: unknown;
  /** How the caller put it; null when the data came whole. */
  readonly patches: readonly CorrectionPatch[] | null;
  readonly notes: string | null;
  readonly createdAt: Date;
  /** The API key that it was made with. */
  readonly createdBy: string | null;
}
