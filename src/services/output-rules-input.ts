/** Reading what a tier promises of its results, and checking that results can be checked against it. */
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import {
  ARTIFACT_STORAGES,
  ARTIFACT_TYPES,
  type ArtifactRule,
  type ArtifactType,
  type OutputRules,
} from '../domain/tier-output.ts';
import type { IssueList, Loc } from './issue-list.ts';
import { ownJson } from './own-json.ts';
import type { ServiceDeps } from './ports.ts';
import { storableString } from './storable-string.ts';

const TYPE_NAMES = Object.keys(ARTIFACT_TYPES) as ArtifactType[];

const artifactRule = z.object({
  name: storableString(LIMITS.nameLength).min(1),
  type: z.enum(TYPE_NAMES).nullish(),
  required: z.boolean().nullish(),
  storage: z.enum(ARTIFACT_STORAGES).nullish(),
  maxSizeBytes: z.int().min(0).max(2_147_483_647).nullish(),
  schema: ownJson(LIMITS.schemaBytes).optional(),
});

const artifactRules = z
  .array(artifactRule)
  .max(LIMITS.artifactRules)
  .refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, 'has two rules for one name');

/** The rules of a tier as a caller writes them: absent and null are the same. */
export interface OutputRulesInput {
  readonly outputSchema?: unknown;
  readonly artifacts?: readonly z.input<typeof artifactRule>[] | null | undefined;
}

/** The rules without what is absent, every problem of their form noted. */
export function readOutputRules(input: OutputRulesInput, loc: Loc, issues: IssueList): OutputRules {
  issues.check(ownJson(LIMITS.schemaBytes), input.outputSchema, [...loc, 'outputSchema']);
  const rules = issues.check(artifactRules.nullish(), input.artifacts, [...loc, 'artifacts']) ?? [];
  for (const [index, { type, schema, storage }] of rules.entries()) {
    if (schema == null) continue;
    const at = [...loc, 'artifacts', String(index), 'schema'];
    if (type !== 'JSON') issues.add(at, 'conflict', 'needs the type JSON');
    if (storage === 'URL') issues.add(at, 'conflict', 'needs content, which an artifact behind a URL does not have');
  }
  return {
    ...(input.outputSchema != null && { outputSchema: input.outputSchema }),
    ...(rules.length > 0 && { artifacts: rules.map(ruleOf) }),
  };
}

const ruleOf = ({ name, type, required, storage, maxSizeBytes, schema }: z.output<typeof artifactRule>) =>
  ({
    ...{ name, type: type ?? 'ANY', required: required ?? true },
    ...(storage != null && { storage }),
    ...(maxSizeBytes != null && { maxSizeBytes }),
    ...(schema != null && { schema }),
  }) satisfies ArtifactRule;

/** Notes every problem of the schemas of a tier, each at its place in the schema. */
export async function checkSchemas(
  { outputs }: Pick<ServiceDeps, 'outputs'>,
  { outputSchema, artifacts = [] }: OutputRules,
  loc: Loc,
  issues: IssueList,
): Promise<void> {
  const schemas = [
    { at: [...loc, 'outputSchema'], schema: outputSchema },
    ...artifacts.map(({ schema }, index) => ({ at: [...loc, 'artifacts', String(index), 'schema'], schema })),
  ];
  for (const { at, schema } of schemas) {
    if (schema !== undefined) await checkSchema({ outputs }, schema, at, issues);
  }
}

/** Notes every problem of a schema at its place in it. */
export async function checkSchema(
  { outputs }: Pick<ServiceDeps, 'outputs'>,
  schema: unknown,
  at: Loc,
  issues: IssueList,
): Promise<void> {
  for (const { path, message } of await outputs.schemaProblems(schema)) {
    issues.add([...at, ...pointerSegments(path)], 'json_schema', message);
  }
}

/** The keys that a JSON Pointer leads through. */
export const pointerSegments = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
