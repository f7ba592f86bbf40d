/** The errors that mutations answer with: the interface UserError, and one type for each class of the catalogue. */
import {
  AlreadyExistsError,
  IdempotencyConflictError,
  InvalidStateError,
  LimitExceededError,
  NotFoundError,
  USER_ERROR_CODES,
  type UserError,
  type UserErrorCode,
  ValidationError,
  type ValidationIssue,
  VersionConflictError,
} from '../domain/user-error.ts';
import { builder } from './builder.ts';

const CODE_NAMES = Object.keys(USER_ERROR_CODES) as UserErrorCode[];

const UserErrorCodeEnum = builder.enumType('UserErrorCode', {
  description: 'What kind of mistake an error tells of. More values may come.',
  values: Object.fromEntries(CODE_NAMES.map((code) => [code, { description: USER_ERROR_CODES[code] }])) as {
    [code in UserErrorCode]: { description: string };
  },
});

const UserErrorInterface = builder.interfaceRef<UserError>('UserError').implement({
  description: 'An error that the caller caused and can act on; nothing was changed.',
  fields: (t) => ({
    code: t.field({
      type: UserErrorCodeEnum,
      description: 'What kind of mistake it is.',
      resolve: (error) => error.code,
    }),
    message: t.exposeString('message', { description: 'One sentence for a person.' }),
  }),
});

const Issue = builder.objectRef<ValidationIssue>('ValidationIssue').implement({
  description: 'One problem in an input.',
  fields: (t) => ({
    loc: t.stringList({
      description: 'Where it is: the path from the argument on, e.g. `["input", "source", "spec", "items", "3"]`.',
      resolve: (issue) => [...issue.loc],
    }),
    msg: t.exposeString('msg', { description: 'What is wrong, for a person.' }),
    type: t.exposeString('type', { description: 'The rule that is broken, for a program, e.g. `too_small`.' }),
    input: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The offending value where it is small and harmless, else null.',
      resolve: (issue) => issue.input ?? null,
    }),
    ctx: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The parameters of the rule, e.g. `{"minimum": 1}`; null when it has none.',
      resolve: (issue) => issue.ctx ?? null,
    }),
  }),
});

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'The input breaks rules. Nothing was stored.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    issues: t.field({
      type: [Issue],
      description: 'Every problem at once, at most 50.',
      resolve: (error) => [...error.issues],
    }),
  }),
});

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'An id that is malformed, unknown or of another project: the three cannot be told apart.',
  interfaces: [UserErrorInterface],
});

builder.objectType(InvalidStateError, {
  name: 'InvalidStateError',
  description: 'The object is in a state that does not allow this.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ status: t.exposeString('status', { description: 'The state that the object is in.' }) }),
});

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description: 'The idempotency key was used before with other input.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ existingId: t.exposeID('existingId', { description: 'What the key made the first time.' }) }),
});

builder.objectType(AlreadyExistsError, {
  name: 'AlreadyExistsError',
  description: 'The name is taken within its scope.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    existingId: t.exposeID('existingId', {
      nullable: true,
      description: 'Who has the name; null when this key may not see it.',
    }),
  }),
});

builder.objectType(VersionConflictError, {
  name: 'VersionConflictError',
  description: 'The newest version of the definition is another than the caller expects: somebody made one meanwhile.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    newestId: t.exposeID('newestId', { description: 'The id of the newest version, `def_…`.' }),
    newestVersion: t.exposeInt('newestVersion', { description: 'Its number.' }),
  }),
});

builder.objectType(LimitExceededError, {
  name: 'LimitExceededError',
  description: 'A stated limit of the service is reached.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ limit: t.exposeInt('limit', { description: 'The limit.' }) }),
});
