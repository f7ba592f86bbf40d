/** JSON Schemas of users, compiled so that neither their patterns nor their references can do harm. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { patternProblem } from '../../domain/filters.ts';
import type { FieldError } from '../../domain/model.ts';
import { miss, type SchemaProblem } from '../../domain/output-rules.ts';

/** Everything that a value misses, if it misses anything; how much is listed depends on `all`. */
export type SchemaCheck = (value: unknown, all: boolean) => readonly FieldError[];

class UnusablePattern extends Error {
  readonly pattern: string;
  constructor(pattern: string, problem: string) {
    super(`is no RE2 pattern: ${problem}`);
    this.pattern = pattern;
  }
}

// RE2 runs in time linear in the text: the patterns of a schema are as little trusted as those of a filter.
const linearPattern = Object.assign(
  (pattern: string) => {
    const problem = patternProblem(pattern);
    if (problem !== null) throw new UnusablePattern(pattern, problem);
    const compiled = RE2JS.compile(pattern);
    // ajv keeps one for all that are written alike.
    return { test: (text: string) => compiled.test(text), toString: () => pattern };
  },
  { code: 'linearPattern' },
);

// Without `inlineRefs: false` the code of a schema whose references fan out grows with every level.
const OPTIONS = {
  ...({ strict: false, validateFormats: false, logger: false, ownProperties: true, inlineRefs: false } as const),
  code: { regExp: linearPattern },
};

/** What is wrong with a schema; empty when it can be compiled. */
export function schemaProblems(schema: unknown): readonly SchemaProblem[] {
  if (typeof schema === 'boolean') return [];
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    return [{ path: '', message: 'must be a JSON Schema: an object, true or false' }];
  }
  const dialect = dialectOf(schema);
  if (dialect === null) return [{ path: '/$schema', message: 'must be that of draft 2020-12 or of draft-07' }];
  if (Reflect.get(schema, '$async') !== undefined) return [{ path: '/$async', message: 'is not supported' }];
  const ajv = new dialect({ ...OPTIONS, allErrors: true });
  try {
    if (ajv.validateSchema(schema) !== true) {
      return (ajv.errors ?? []).slice(0, 20).map(({ instancePath, message }) => ({
        path: instancePath,
        message: message ?? 'is not valid',
      }));
    }
    ajv.compile(schema);
    return [];
  } catch (error) {
    if (error instanceof UnusablePattern) {
      return [{ path: placeOf(schema, error.pattern, '') ?? '', message: error.message }];
    }
    return [{ path: '', message: `cannot be used: ${error instanceof Error ? error.message : String(error)}` }];
  }
}

/** The check that a schema without problems amounts to. */
export function compileCheck(schema: unknown): SchemaCheck {
  if (typeof schema === 'boolean') {
    return () => (schema ? [] : [miss('', 'false schema', 'no value is allowed')]);
  }
  const Dialect = dialectOf(Object(schema)) ?? Ajv2020;
  const compiled: { first?: ValidateFunction; all?: ValidateFunction } = {};
  return (value, all) => {
    // Nearly every value fits: the check that ends at the first miss is the faster one.
    compiled.first ??= new Dialect(OPTIONS).compile(Object(schema));
    if (compiled.first(value) === true) return [];
    if (!all) return (compiled.first.errors ?? []).map(toMiss);
    compiled.all ??= new Dialect({ ...OPTIONS, allErrors: true }).compile(Object(schema));
    compiled.all(value);
    return (compiled.all.errors ?? []).map(toMiss);
  };
}

function dialectOf(schema: object): typeof Ajv | typeof Ajv2020 | null {
  const named: unknown = Reflect.get(schema, '$schema');
  if (named === undefined || (typeof named === 'string' && named.includes('2020-12'))) return Ajv2020;
  return typeof named === 'string' && named.includes('draft-07') ? Ajv : null;
}

/** The JSON Pointer of a pattern within a schema; null when it is not found. */
function placeOf(value: unknown, pattern: string, at: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, below] of Object.entries(value)) {
    const path = `${at}/${segment(key)}`;
    if ((key === 'pattern' && below === pattern) || (key === pattern && at.endsWith('/patternProperties'))) return path;
    const found = placeOf(below, pattern, path);
    if (found !== null) return found;
  }
  return null;
}

function toMiss({ instancePath, keyword, params, message = 'is not valid' }: ErrorObject): FieldError {
  // ajv points at the object; the one property that is too many or lacking is the place to look at.
  const extra: unknown =
    keyword === 'additionalProperties' || keyword === 'unevaluatedProperties' ? Object.values(params)[0] : undefined;
  if (typeof extra === 'string') return miss(`${instancePath}/${segment(extra)}`, keyword, 'is not a known property');
  const missing: unknown = keyword === 'required' ? params['missingProperty'] : undefined;
  if (typeof missing === 'string') return miss(`${instancePath}/${segment(missing)}`, keyword, 'is missing');
  const allowed: unknown = keyword === 'enum' ? params['allowedValues'] : undefined;
  return miss(
    instancePath,
    keyword,
    Array.isArray(allowed) ? `${message}: ${allowed.slice(0, 20).map(String).join(', ')}` : message,
  );
}

/** A key as it is written in a JSON Pointer. */
export const segment = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
