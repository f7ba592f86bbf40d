/** Why a datasource could not be listed or read; as an item's error it is what the engine stores. */
import type { ErrorCategory } from '../domain/item-error.ts';

export const SOURCE_ERRORS = {
  element_not_found: { category: 'DEPENDENCY', transient: false },
  element_too_large: { category: 'VALIDATION', transient: false },
  folder_not_found: { category: 'DEPENDENCY', transient: false },
  folders_not_configured: { category: 'DEPENDENCY', transient: false },
} as const satisfies Record<string, { category: ErrorCategory; transient: boolean }>;
export type SourceErrorCode = keyof typeof SOURCE_ERRORS;

/** Thrown by the datasources; `classifyThrown` reads its fields. */
export class SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly category: ErrorCategory;
  readonly transient: boolean;
  constructor(code: SourceErrorCode, message: string) {
    super(message);
    this.name = 'SourceError';
    this.code = code;
    this.category = SOURCE_ERRORS[code].category;
    this.transient = SOURCE_ERRORS[code].transient;
  }
}

/** The element is not there, or is not a file that may be read: the two look the same. */
export const elementNotFound = (elementId: string): SourceError =>
  new SourceError(
    'element_not_found',
    `There is no element ${JSON.stringify(elementId.slice(0, 200))} in the datasource.`,
  );
