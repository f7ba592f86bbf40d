/** The batch spec: what a definition says and an execution runs, in its JSON form. */
import type { Backoff, RetryRule } from './retry-policy.ts';
import type { OutputRules } from './tier-output.ts';
import type { TokenPrices } from './usage.ts';

/** Which elements of a datasource an execution takes; all given filters must match. */
export interface InputFilters {
  /** RE2 pattern searched in the element's filename. */
  readonly regex?: string;
  /** Media types, with wildcards such as `text/*`. */
  readonly mediaTypes?: readonly string[];
  readonly elementIds?: readonly string[];
  /** The user's own; kept, not interpreted. */
  readonly additionalProperties?: unknown;
}

/** At most this many calls of an agent start in any second or minute, over all executions of a node. */
export interface RateLimit {
  readonly starts: number;
  readonly per: 'SECOND' | 'MINUTE';
}

/** One stage of a definition. */
export interface TierSpec extends OutputRules {
  /** The agent's id or name as the user gave it. */
  readonly agent: string;
  readonly userMessage?: string;
  /** The agent's configuration, checked against its schema when the execution is created. */
  readonly config?: unknown;
  readonly rateLimit?: RateLimit;
  /** What the agent's model costs; all tiers that have prices have one currency. */
  readonly prices?: TokenPrices;
}

/** How an execution runs; every duration in ms. */
export interface ExecutionParams {
  readonly concurrency: number;
  readonly retryLimit: number;
  readonly itemTimeoutMs: number;
  readonly backoff: Backoff;
  /** What is otherwise for errors of some categories. */
  readonly retryRules?: readonly RetryRule[];
  /** It pauses once its calls have used so many tokens, or cost so much; absent: no bound. */
  readonly tokenBudget?: number;
  readonly costBudget?: number;
}

/** Where results go. */
export interface OutputConfig {
  readonly datasourceId: string;
}

/** A definition's content: immutable, and equal content is the same version. */
export interface BatchSpec {
  readonly name: string;
  readonly tiers: readonly TierSpec[];
  readonly input: { readonly datasourceId: string; readonly filters?: InputFilters };
  /** A RESULTS datasource to gather the results in; each execution has one of its own when absent. */
  readonly output?: OutputConfig;
  readonly execution: ExecutionParams;
  readonly additionalProperties?: unknown;
}

/** What an execution may change of its definition; kept on the execution as given. */
export interface InputOverrides {
  readonly filters?: InputFilters;
  readonly userMessage?: string;
  readonly concurrency?: number;
  readonly retryLimit?: number;
  readonly itemTimeoutMs?: number;
  /** null: a datasource of the execution's own, whatever its definition names. */
  readonly output?: { readonly datasourceId: string | null };
}

/** A tier with the agent version that an execution pinned for it. */
export interface PinnedTier extends TierSpec {
  readonly agentId: string;
  readonly agentName: string;
  readonly agentVersionId: string;
  readonly agentVersion: number;
}

/** What an execution runs: the definition's spec with the overrides applied and each agent pinned. */
export interface PinnedSpec extends Omit<BatchSpec, 'tiers'> {
  readonly tiers: readonly PinnedTier[];
}
