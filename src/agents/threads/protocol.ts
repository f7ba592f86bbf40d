/**
 * The messages between the service and a thread of agents; each post is a list of them.
 *
 * Batched, a call costs the service's thread a third of what single messages cost. Values of users go as structured
 * clones, which cost as much as JSON text; results come back as the checked JSON texts that will be stored.
 */
import type { AgentContext, AgentItem } from '../../domain/agent-context.ts';
import type { ResultCheck } from '../../domain/agent-result.ts';
import type { DocumentName, LogLevel } from '../../domain/model.ts';
import type { Thrown } from './thrown.ts';

/** What of a context can be sent; content, signal and log follow by messages. */
export interface SentContext
  extends Pick<AgentContext, 'previous' | 'userMessage' | 'config' | 'tier' | 'round' | 'attempt' | 'idempotencyKey'> {
  readonly item: Pick<AgentItem, 'ordinal' | 'dataElementId' | 'filename' | 'mediaType' | 'metadata'> & {
    readonly documents: readonly DocumentName[];
  };
}

/** What a call wants to know: a document's bytes (by its index; null: the item's own) or whether a path exists. */
export type Question = { readonly bytesOf: number | null } | { readonly exists: string };

/** To a thread. */
export type ToThread =
  | { readonly kind: 'load'; readonly agent: number; readonly url: string }
  | { readonly kind: 'call'; readonly call: number; readonly agent: number; readonly context: SentContext }
  | { readonly kind: 'abort'; readonly call: number; readonly name: string; readonly message: string }
  | { readonly kind: 'answer'; readonly call: number; readonly question: number; readonly answer: Answer }
  | { readonly kind: 'ping' };

/** What a question got: bytes, a boolean or null; or what reading threw. */
export type Answer =
  | { readonly ok: true; readonly value: Uint8Array | boolean | null }
  | { readonly ok: false; readonly thrown: Thrown };

/** From a thread. */
export type FromThread =
  | { readonly kind: 'loaded'; readonly agent: number }
  | { readonly kind: 'unloadable'; readonly agent: number; readonly reason: string }
  | { readonly kind: 'returned'; readonly call: number; readonly check: ResultCheck }
  | { readonly kind: 'threw'; readonly call: number; readonly thrown: Thrown }
  | { readonly kind: 'asks'; readonly call: number; readonly question: number; readonly asked: Question }
  | {
      readonly kind: 'said';
      readonly call: number;
      readonly text: string;
      readonly level: LogLevel;
      /** How many lines were left out behind it. */
      readonly dropped: number;
    }
  | { readonly kind: 'pong' };
