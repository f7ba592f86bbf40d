/** Results that miss what their tier promises: who finds that out, and the error that it is. */
import type { StorableResult } from './agent-result.ts';
import { type ItemError, itemError } from './item-error.ts';
import { clipText, toJsonText } from './json.ts';
import { LIMITS } from './limits.ts';
import type { FieldError } from './model.ts';
import type { OutputRules } from './tier-output.ts';

/** What of a result is checked, as JSON texts. */
export type CheckedParts = Pick<StorableResult, 'data' | 'artifacts'>;

/** In what a result misses its rules: the first of them, and how many there are. */
export interface OutputMisses {
  readonly fieldErrors: readonly FieldError[];
  readonly total: number;
}

/** What came of a check in its thread; `late`: it was ended because it took too long. */
export interface CheckAnswer {
  readonly misses: OutputMisses;
  readonly late: boolean;
}

/** What is wrong with a JSON Schema, and where: a JSON Pointer into it. */
export interface SchemaProblem {
  readonly path: string;
  readonly message: string;
}

/** Checks schemas, and results against rules; never rejects because of what it is given. */
export interface OutputChecker {
  /** Every problem of a JSON Schema; empty when results can be checked against it. */
  schemaProblems(schema: unknown): Promise<readonly SchemaProblem[]>;
  /** In what a result misses the rules; `total` is 0 when it keeps them. */
  misses(rules: OutputRules, parts: CheckedParts): Promise<OutputMisses>;
}

/** The code of an item's error when its result missed the rules of its tier. */
export const OUTPUT_MISMATCH = 'output_mismatch';

/** The code of a miss that says nothing of the result: it could not be checked now, but may be another time. */
export const OUTPUT_UNCHECKED = 'output_check_unavailable';

const RECOVERY = "Make the agent's results fit, or change what the tier promises: `outputSchema`, `artifacts`.";

/** The error of a result that missed its rules: permanent, unless it only could not be checked; its details have the field errors, and the data if it is small. */
export function outputMismatch(misses: OutputMisses, result: StorableResult): ItemError {
  const [first] = misses.fieldErrors;
  if (first?.code === OUTPUT_UNCHECKED) {
    const text = `The result could not be checked: ${first.message}.`;
    return itemError('RESOURCE', OUTPUT_UNCHECKED, text, { stage: 'result', usage: result.usage });
  }
  const more = misses.total > 1 ? ` (and ${misses.total - 1} more)` : '';
  const where = first === undefined || first.path === '' ? '' : ` at ${first.path}`;
  return {
    ...itemError(
      'VALIDATION',
      OUTPUT_MISMATCH,
      `The result is not what its tier promises${where}: ${first?.message ?? 'it was not checked'}${more}.`,
      { stage: 'result', recovery: RECOVERY, usage: result.usage },
    ),
    details: detailsOf(misses, result.data),
  };
}

/** The field errors in the details of such an error; empty for any other. */
export function mismatchErrors(code: string, details: unknown): readonly FieldError[] {
  const listed: unknown =
    code === OUTPUT_MISMATCH && typeof details === 'object' && details !== null
      ? Reflect.get(details, 'fieldErrors')
      : [];
  return Array.isArray(listed) ? listed.filter(isFieldError) : [];
}

const isFieldError = (value: unknown): value is FieldError =>
  typeof value === 'object' &&
  value !== null &&
  ['path', 'code', 'message'].every((key) => typeof Reflect.get(value, key) === 'string');

/** As many field errors as fit into the details of a failure, and the data where it fits too. */
function detailsOf({ fieldErrors, total }: OutputMisses, data: string): string | null {
  const text = (value: unknown) => {
    const json = toJsonText(value, LIMITS.failureDetailsBytes, LIMITS.jsonDepth);
    return json.ok ? json.text : null;
  };
  if (data.length < LIMITS.failureDetailsBytes) {
    const whole = text({ fieldErrors, total, data: JSON.parse(data) });
    if (whole !== null) return whole;
  }
  for (let count = fieldErrors.length; count > 0; count = Math.floor(count / 2)) {
    const part = text({ fieldErrors: fieldErrors.slice(0, count), total });
    if (part !== null) return part;
  }
  return null;
}

/** A miss, its texts cut to what is kept. */
export function miss(path: string, code: string, message: string): FieldError {
  return { path: clipText(path.toWellFormed(), 500), code, message: clipText(message.toWellFormed(), 300) };
}
