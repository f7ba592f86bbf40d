/** The tables of items and of what they produced, as Kysely sees them; see `tables.ts`. */
import type { Generated } from 'kysely';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { Artifact, CorrectionPatch, DocumentName, FieldError, LogLevel } from '../domain/model.ts';
import type { ItemStatus } from '../domain/states.ts';
import type { PricedUsage } from '../domain/usage.ts';
import type { CreatedAt, Json, JsonOrNull } from './column-types.ts';

export interface BatchItemTable {
  executionId: string;
  ordinal: number;
  status: ItemStatus;
  tier: Generated<number>;
  attempt: Generated<number>;
  /** Failed attempts that count against the retry limit, in the present tier and round. */
  charged: Generated<number>;
  retryCount: Generated<number>;
  deaths: Generated<number>;
  runAfter: Date | null;
  revision: number;
  startedAt: Date | null;
  endedAt: Date | null;
  errorCategory: ErrorCategory | null;
  errorCode: string | null;
  errorTransient: boolean | null;
}

/** An item that was cancelled by itself. */
export interface ItemCancelTable {
  executionId: string;
  ordinal: number;
  round: number;
  reason: string | null;
  at: Date;
}

export interface BatchItemInputTable {
  executionId: string;
  ordinal: number;
  elementId: string;
  filename: string;
  mediaType: string;
  metadata: JsonOrNull<unknown>;
  documentNames: JsonOrNull<DocumentName[]>;
  contentHash: string | null;
}

/** Items side by side whose inputs are elements side by side. */
export interface InputSpanTable {
  executionId: string;
  first: number;
  last: number;
  datasourceId: string;
  /** The position of the first element. */
  place: number;
  /** Whether some of the items have a row in `batch_item_input`, which is then right. */
  copied: Generated<boolean>;
}

export interface ItemResultTable {
  executionId: string;
  ordinal: number;
  tier: number;
  round: number;
  attempt: number;
  data: Json<unknown>;
  fieldErrors: JsonOrNull<FieldError[]>;
  artifacts: JsonOrNull<Artifact[]>;
  contentHash: string | null;
  /** When the attempt started; null in rows of before it was recorded. */
  startedAt: Date | null;
  /** When the attempt ended. */
  at: CreatedAt;
  /** The agent's confidence, 0 to 1, in single precision. */
  score: number | null;
  usage: JsonOrNull<PricedUsage>;
}

/** Items side by side that succeeded at their first call, with their results; arrays are by place in the stretch. */
export interface ItemStretchTable {
  executionId: string;
  first: number;
  last: number;
  revision: number;
  /** What `ended` counts from. */
  endedFrom: Date;
  /** Milliseconds after `endedFrom`. */
  ended: number[];
  /** Milliseconds. */
  took: number[];
  data: unknown[];
  contentHash: (string | null)[] | null;
  score: (number | null)[] | null;
  usage: (PricedUsage | null)[] | null;
}

/** What people made of a result; `tier` and `round` name the result. */
export interface ItemCorrectionTable {
  executionId: string;
  ordinal: number;
  /** From 1 for each item. */
  number: number;
  tier: number;
  round: number;
  data: Json<unknown>;
  patches: JsonOrNull<CorrectionPatch[]>;
  notes: string | null;
  createdAt: CreatedAt;
  createdBy: string | null;
}

export interface ItemFailureTable {
  executionId: string;
  ordinal: number;
  tier: number;
  round: number;
  attempt: number;
  category: ErrorCategory;
  transient: boolean;
  code: string;
  message: string;
  details: JsonOrNull<unknown>;
  component: string | null;
  stage: string | null;
  trace: string | null;
  recovery: string | null;
  startedAt: Date | null;
  at: CreatedAt;
  usage: JsonOrNull<PricedUsage>;
}

/** What the calls of one tier used, over all rounds; no row while none said. */
export interface ExecutionUsageTable {
  executionId: string;
  tier: number;
  calls: number;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  totalTokens: number;
  /** A decimal number in the currency of the tier's prices. */
  cost: string | null;
}

/** A line that an agent logged. */
export interface ItemLogTable {
  executionId: string;
  /** Rises in the order of writing. */
  id: Generated<number>;
  ordinal: number;
  tier: number;
  round: number;
  attempt: number;
  level: LogLevel;
  message: string;
  /** How many lines more this one stands for. */
  dropped: Generated<number>;
  at: Date;
}
