/** The contract between Batchyard and an agent: what it is called with, and what it may answer. */
import type { LogLevel } from './model.ts';

/** The input of one call. Content is read when first asked for, and kept for the call. */
export interface AgentItem {
  readonly ordinal: number;
  readonly dataElementId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  readonly documents: readonly AgentDocument[];
  /** The first document as text (UTF-8). */
  text(): Promise<string>;
  /** The first document as bytes. */
  bytes(): Promise<Uint8Array>;
  /** The first document parsed as JSON. */
  json(): Promise<unknown>;
  /**
   * Whether a file or folder exists at this path, relative to the item's own (`../img/logo.png`).
   * null where that cannot be known: the item has no files around it, or the path leaves its datasource.
   */
  exists(path: string): Promise<boolean | null>;
}

/** One document of an item. */
export interface AgentDocument {
  readonly filename: string;
  readonly mediaType: string;
  text(): Promise<string>;
  bytes(): Promise<Uint8Array>;
  json(): Promise<unknown>;
}

/** What a module or built-in agent's run function is called with. */
export interface AgentContext {
  readonly item: AgentItem;
  /** The result data of the tier before; null in tier 0. */
  readonly previous: unknown;
  readonly userMessage: string | null;
  /** The tier's config, already checked against the agent's schema; `{}` where the tier has none. */
  readonly config: unknown;
  readonly tier: number;
  readonly round: number;
  /** From 1 in each tier and round. */
  readonly attempt: number;
  /** Aborts on cancel, timeout and shutdown. */
  readonly signal: AbortSignal;
  /** The same for every attempt at one item in one tier and round. */
  readonly idempotencyKey: string;
  readonly log: AgentLog;
}

/**
 * Takes a line of the agent's log, INFO unless it says otherwise. Lines are kept with the attempt, so many of each and
 * so long; `dropped` counts lines that are left out behind this one.
 */
export type AgentLog = (message: string, level?: LogLevel, dropped?: number) => void;

/** An agent's code: gets a context, answers the item's data, or an object with data, artifacts and fieldErrors. */
export type AgentRun = (context: AgentContext) => unknown;
