/**
 * The errors a caller can cause and is told about, as one catalogue.
 *
 * Services throw them; the schema turns each into a member of the mutation's union (or, for a query, into a
 * top-level error with the same code). Anything else that is thrown is a bug: it is masked and logged.
 */

/** One problem in an input: where it is, and which rule it breaks. */
export interface ValidationIssue {
  /** Path from the argument on: `['input', 'source', 'spec', 'items', '3', 'filename']`. */
  readonly loc: readonly string[];
  readonly msg: string;
  /** Machine word for the rule, e.g. `too_small`, `not_found`, `pattern`. */
  readonly type: string;
  /** The offending value where it is small and harmless, else left out. */
  readonly input?: unknown;
  /** The rule's parameters, e.g. `{ minimum: 1, maximum: 999 }`. */
  readonly ctx?: Readonly<Record<string, unknown>>;
}

export const USER_ERROR_CODES = {
  VALIDATION_FAILED: 'The input breaks a rule; `issues` names each place.',
  NOT_FOUND: 'No such object, or none that this key may see.',
  INVALID_STATE: 'The object is in a state that does not allow this.',
  IDEMPOTENCY_CONFLICT: 'The idempotency key was used before with other input.',
  ALREADY_EXISTS: 'The name is taken.',
  VERSION_CONFLICT: 'Another version has been made meanwhile.',
  LIMIT_EXCEEDED: 'A limit of this service is reached.',
  UNAUTHENTICATED: 'No valid API key came with the request.',
  FORBIDDEN: 'The API key does not allow this.',
} as const;
export type UserErrorCode = keyof typeof USER_ERROR_CODES;

/** Most issues that one ValidationError lists; the rest is cut. */
export const MAX_ISSUES = 50;

/** The base of every error that a caller is told about. */
export class UserError extends Error {
  readonly code: UserErrorCode;
  constructor(code: UserErrorCode, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The input breaks rules; nothing was stored. */
export class ValidationError extends UserError {
  readonly issues: readonly ValidationIssue[];
  constructor(issues: readonly ValidationIssue[]) {
    const first = issues[0];
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
    super('VALIDATION_FAILED', first ? `${first.loc.join('.')}: ${first.msg}${more}` : 'The input is not valid.');
    this.issues = issues.slice(0, MAX_ISSUES);
  }
}

/** An id that is malformed, unknown or another project's: the three look the same. */
export class NotFoundError extends UserError {
  constructor(what: string, id: string) {
    super('NOT_FOUND', `There is no ${what} ${JSON.stringify(id.slice(0, 80))}.`);
  }
}

/** The object's state forbids the operation; `status` says which state it is in. */
export class InvalidStateError extends UserError {
  readonly status: string;
  constructor(message: string, status: string) {
    super('INVALID_STATE', message);
    this.status = status;
  }
}

/** The same idempotency key came with other input. */
export class IdempotencyConflictError extends UserError {
  readonly existingId: string;
  constructor(existingId: string) {
    super('IDEMPOTENCY_CONFLICT', `This idempotency key already made ${existingId} from other input.`);
    this.existingId = existingId;
  }
}

/** The name is taken within its scope. */
export class AlreadyExistsError extends UserError {
  readonly existingId: string | null;
  constructor(what: string, name: string, existingId: string | null = null) {
    super('ALREADY_EXISTS', `There is already a ${what} named ${JSON.stringify(name.slice(0, 80))}.`);
    this.existingId = existingId;
  }
}

/** The newest version of a definition is another than the caller expects. */
export class VersionConflictError extends UserError {
  readonly newestId: string;
  readonly newestVersion: number;
  constructor(newest: { readonly id: string; readonly name: string; readonly version: number }, expected: number) {
    super(
      'VERSION_CONFLICT',
      `The newest version of ${JSON.stringify(newest.name)} is ${newest.version}, not ${expected}.`,
    );
    this.newestId = newest.id;
    this.newestVersion = newest.version;
  }
}

/** A stated limit is reached; `limit` is the number. */
export class LimitExceededError extends UserError {
  readonly limit: number;
  constructor(message: string, limit: number) {
    super('LIMIT_EXCEEDED', message);
    this.limit = limit;
  }
}

/** No valid API key came with the request. */
export class UnauthenticatedError extends UserError {
  constructor(message = 'An API key is needed: send it as "Authorization: Bearer <key>".') {
    super('UNAUTHENTICATED', message);
  }
}

/** The API key is valid and does not allow this. */
export class ForbiddenError extends UserError {
  constructor(message = 'This API key does not allow that.') {
    super('FORBIDDEN', message);
  }
}
