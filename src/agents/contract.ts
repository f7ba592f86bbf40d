/** The types of a module agent, for `import type { AgentModule } from 'batchyard/agent'`. Nothing here runs. */
import type { AgentContext } from '../domain/agent-context.ts';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { FieldError } from '../domain/model.ts';

export type { AgentContext, AgentDocument, AgentItem, AgentLog, AgentRun } from '../domain/agent-context.ts';
export type { ErrorCategory } from '../domain/item-error.ts';
export type { FieldError } from '../domain/model.ts';

/** A context whose config is known to have fitted the agent's own schema; `{}` when the tier has none. */
export type ContextWith<Config> = Omit<AgentContext, 'config'> & { readonly config: Config };

/** What a module agent may export by default: its run function alone, or this object. */
export interface AgentModule<Config = unknown> {
  /** One or two sentences for whoever chooses an agent. */
  readonly description?: string;
  /** JSON Schema (2020-12, or draft-07 by its `$schema`) that every tier's config must fit; an absent one counts as `{}`. */
  readonly configSchema?: unknown;
  /** false: the code never blocks its thread, so it may run without one of its own. */
  readonly threaded?: boolean;
  /** Answers the item's data, or an AgentResult. */
  readonly run: (context: ContextWith<Config>) => unknown;
}

/**
 * What a run may answer instead of the bare data.
 *
 * An object counts as this when it has `artifacts` or `fieldErrors`. With only `score` or `usage` it does when it
 * has `data` too, nothing beyond `data`, `score` and `usage`, and these are as below; `{ score: 7 }` or
 * `{ data, score: 0.5, total: 3 }` is data as it stands.
 */
export interface AgentResult {
  readonly data: unknown;
  readonly fieldErrors?: readonly FieldError[];
  readonly artifacts?: readonly AgentArtifact[];
  /** How sure the agent is of its result, 0 to 1. */
  readonly score?: number | null;
  readonly usage?: AgentUsage | null;
}

/** A file of a result: it has one of `content`, `text` and `url`. */
export interface AgentArtifact {
  /** No other of the result has it; the place in the list by default. */
  readonly id?: string;
  readonly filename: string;
  /** That of the filename's extension by default. */
  readonly mediaType?: string;
  /** The bytes, or their base64 with its padding. */
  readonly content?: Uint8Array | string | null;
  readonly text?: string | null;
  /** Where the bytes are, when they are kept elsewhere. */
  readonly url?: string | null;
  /** How many are behind the URL; those of content are counted. */
  readonly sizeBytes?: number | null;
}

/** The tokens that a call of a language model used: whole numbers. */
export interface AgentUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Input and output together by default. */
  readonly totalTokens?: number;
  /** Of the input tokens, those that the model had cached; 0 by default. */
  readonly cachedInputTokens?: number;
  /** Of the output tokens, those that were spent on reasoning; 0 by default. */
  readonly reasoningTokens?: number;
  readonly model?: string | null;
}

/** What any thrown object may say of itself; all of it is optional. */
export interface AgentError {
  readonly message?: string;
  /** The error for programs. */
  readonly code?: string | number;
  readonly category?: ErrorCategory;
  /** Whether a later attempt may succeed; by default as the category has it. */
  readonly transient?: boolean;
  /** How long to wait before the next attempt, in ms. */
  readonly retryAfterMs?: number;
  /** Any JSON. */
  readonly details?: unknown;
  /** The part that failed, e.g. `parser`. */
  readonly component?: string;
  /** What it was doing, e.g. `upload`. */
  readonly stage?: string;
  /** What to do about it, for people. */
  readonly recovery?: string;
  /** What the failed call used all the same. */
  readonly usage?: AgentUsage;
}
