/** Errors of chat calls, in the shape that the engine classifies. */
import type { ErrorCategory } from '../../domain/item-error.ts';
import type { AgentUsage } from '../contract.ts';

/** What else there is to say of a chat error. */
export interface ChatErrorFacts {
  /** Whether a later attempt may succeed; absent: as the category and the execution's retry rules have it. */
  readonly transient?: boolean | undefined;
  readonly details?: unknown;
  readonly retryAfterMs?: number | undefined;
  readonly recovery?: string | undefined;
  /** What the call used all the same. */
  readonly usage?: AgentUsage | undefined;
  /** What was being done: `prompt`, `call` or `answer`. */
  readonly stage: 'prompt' | 'call' | 'answer';
}

/** Why a chat call gave no result; its fields are the thrower's words that the engine goes by. */
export class ChatError extends Error {
  readonly component = 'chat';
  readonly category: ErrorCategory;
  readonly code: string;
  readonly stage: string;
  readonly transient?: boolean;
  readonly details?: unknown;
  readonly retryAfterMs?: number;
  readonly recovery?: string;
  readonly usage?: AgentUsage;
  constructor(category: ErrorCategory, code: string, message: string, facts: ChatErrorFacts) {
    super(message);
    this.name = 'ChatError';
    // It would tell the item's owner of this service's files, and nothing of the item.
    delete this.stack;
    this.category = category;
    this.code = code;
    this.stage = facts.stage;
    if (facts.transient !== undefined) this.transient = facts.transient;
    if (facts.details !== undefined) this.details = facts.details;
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs;
    if (facts.recovery !== undefined) this.recovery = facts.recovery;
    if (facts.usage !== undefined) this.usage = facts.usage;
  }
}

/** The prompt cannot be made from this item, however often it is tried. */
export const promptError = (code: string, message: string, details?: unknown): ChatError =>
  new ChatError('VALIDATION', code, message, { stage: 'prompt', details });
