/** What an endpoint's error answer tells of itself, in the forms that `docs/agents.md` documents. */
import { z } from 'zod';
import { ERROR_CATEGORIES } from '../../domain/item-error.ts';
import type { FieldError } from '../contract.ts';

/** What could be read of an error answer; absent where it says nothing. */
export interface ErrorBody {
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly category?: (typeof ERROR_CATEGORIES)[number] | undefined;
  readonly transient?: boolean | undefined;
  readonly fieldErrors?: readonly FieldError[] | undefined;
}

const MAX_FIELD_ERRORS = 50;

const lenient = <T>(schema: z.ZodType<T>) => schema.nullish().catch(undefined);
const word = z.union([z.string(), z.number()]).transform(String);
const fieldError = z.object({ path: z.string(), code: z.string().default('invalid'), message: z.string() });
/** FastAPI's and pydantic's. */
const detail = z.object({ loc: z.array(word), msg: z.string(), type: z.string().default('invalid') });

const own = z.object({
  code: lenient(word),
  message: lenient(z.string()),
  category: lenient(z.enum(ERROR_CATEGORIES)),
  transient: lenient(z.boolean()),
  fieldErrors: lenient(z.array(fieldError)),
});
const shape = own.extend({
  error: lenient(z.union([own, z.string()])),
  detail: lenient(z.union([z.array(detail), z.string()])),
});

/** Reads a parsed JSON body: `{ code, message, category, transient, fieldErrors }`, also below `error`, or `{ detail }`. */
export function readErrorBody(json: unknown): ErrorBody {
  const read = shape.safeParse(json);
  if (!read.success) return {};
  const { error, detail: details, ...outer } = read.data;
  const inner = typeof error === 'string' ? { message: error } : error;
  const body = { ...outer, ...defined(inner ?? {}) };
  const fieldErrors = body.fieldErrors ?? (Array.isArray(details) ? details.map(ofDetail) : undefined);
  return {
    ...defined({ code: body.code, category: body.category, transient: body.transient }),
    ...defined({ message: body.message ?? (typeof details === 'string' ? details : undefined) }),
    ...(fieldErrors?.length && { fieldErrors: fieldErrors.slice(0, MAX_FIELD_ERRORS) }),
  };
}

const ofDetail = ({ loc, msg, type }: z.output<typeof detail>): FieldError => ({
  path: loc.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
  code: type,
  message: msg,
});

/** The entries that say something. */
const defined = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
