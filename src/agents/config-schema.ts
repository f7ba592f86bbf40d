/** Checks configs against agents' JSON Schemas. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { AgentFileError } from './agent-file-error.ts';

/** One way in which a config does not fit; `path` is a JSON Pointer into it. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
}

/** Every problem of a config; empty when it fits. */
export type ConfigCheck = (config: unknown) => readonly ConfigProblem[];

// Formats are not checked: JSON Schema counts them as annotations, and ajv brings none.
const OPTIONS = { allErrors: true, strict: false, validateFormats: false, logger: false } as const;

/**
 * The check that a schema amounts to; draft-07 by its `$schema`, else 2020-12.
 *
 * An absent config (undefined or null) is checked as `{}`. Throws AgentFileError when the schema is no good.
 */
export function compileSchema(schema: unknown): ConfigCheck {
  if (schema === null || schema === undefined) return () => [];
  if (typeof schema !== 'object') throw new AgentFileError('its configSchema must be a JSON Schema object');
  const check = compile(schema);
  return (config) => (check(config ?? {}) ? [] : (check.errors ?? []).map(problemOf));
}

function compile(schema: object): ValidateFunction {
  const dialect: unknown = Reflect.get(schema, '$schema');
  const ajv = typeof dialect === 'string' && dialect.includes('draft-07') ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS);
  try {
    return ajv.compile(schema);
  } catch (error) {
    throw new AgentFileError(
      `its configSchema is no valid JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function problemOf({ instancePath, keyword, params, message = 'is not valid' }: ErrorObject): ConfigProblem {
  // ajv points at the object; the one property that should not be there is the place to look at.
  const extra: unknown =
    keyword === 'additionalProperties' || keyword === 'unevaluatedProperties' ? Object.values(params)[0] : undefined;
  if (typeof extra === 'string')
    return { path: `${instancePath}/${pointerSegment(extra)}`, message: 'is not a known property' };
  const allowed: unknown = keyword === 'enum' ? params['allowedValues'] : undefined;
  return {
    path: instancePath,
    message: Array.isArray(allowed) ? `${message}: ${allowed.map(String).join(', ')}` : message,
  };
}

const pointerSegment = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
