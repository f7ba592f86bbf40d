/** Checks one result against the rules of its tier. */
import type { Artifact, FieldError } from '../../domain/model.ts';
import { type CheckedParts, miss, type OutputMisses } from '../../domain/output-rules.ts';
import { ARTIFACT_TYPES, type ArtifactRule, type OutputRules } from '../../domain/tier-output.ts';
import { compileCheck, type SchemaCheck, segment } from './schema-compile.ts';

/** Most misses that are listed of one result. */
const MAX_LISTED = 50;
/** A text longer than this is only checked up to its first miss: it might have a million. */
const LIST_ALL_BELOW = 1_000_000;

/** The check that rules amount to, compiled once for many results. */
export function compileRules(rules: OutputRules): (parts: CheckedParts) => OutputMisses {
  const data = rules.outputSchema === undefined ? null : compileCheck(rules.outputSchema);
  const artifacts = (rules.artifacts ?? []).map((rule) => ({
    rule,
    check: rule.schema === undefined ? null : compileCheck(rule.schema),
  }));
  return (parts) => {
    const misses = data === null ? [] : [...data(JSON.parse(parts.data), parts.data.length < LIST_ALL_BELOW)];
    if (artifacts.length > 0) {
      const given: readonly Artifact[] = parts.artifacts === null ? [] : JSON.parse(parts.artifacts);
      for (const { rule, check } of artifacts) misses.push(...artifactMisses(rule, check, given));
    }
    return { fieldErrors: misses.slice(0, MAX_LISTED), total: misses.length };
  };
}

function artifactMisses(
  rule: ArtifactRule,
  check: SchemaCheck | null,
  given: readonly Artifact[],
): readonly FieldError[] {
  const { name, type, storage = 'ANY', maxSizeBytes } = rule;
  const at = `/artifacts/${segment(name)}`;
  const artifact = given.find(({ id }) => id === name) ?? given.find(({ filename }) => filename === name);
  if (artifact === undefined) return rule.required ? [miss(at, 'artifact_missing', 'is missing')] : [];
  const { mediaType, sizeBytes, content } = artifact;
  const misses: FieldError[] = [];
  if (!ARTIFACT_TYPES[type].test(essence(mediaType))) {
    misses.push(miss(at, 'artifact_type', `must be ${type}, not ${mediaType}`));
  }
  if (storage !== 'ANY' && (content === null) === (storage === 'INLINE')) {
    misses.push(miss(at, 'artifact_storage', storage === 'INLINE' ? 'must have content' : 'must have a url'));
  }
  if (maxSizeBytes !== undefined && sizeBytes === null) {
    misses.push(miss(at, 'artifact_size_unknown', `must say its sizeBytes, at most ${maxSizeBytes}`));
  } else if (maxSizeBytes !== undefined && (sizeBytes ?? 0) > maxSizeBytes) {
    misses.push(miss(at, 'artifact_too_large', `has ${sizeBytes} bytes, at most ${maxSizeBytes} are allowed`));
  }
  if (content === null) {
    if (check !== null) misses.push(miss(at, 'artifact_storage', 'must have content, which its schema is about'));
  } else if (type === 'JSON') misses.push(...jsonMisses(at, content, check));
  return misses;
}

function jsonMisses(at: string, content: string, check: SchemaCheck | null): readonly FieldError[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(content, 'base64').toString());
  } catch {
    return [miss(at, 'artifact_not_json', 'is not JSON')];
  }
  const misses = check === null ? [] : check(value, content.length < LIST_ALL_BELOW);
  return misses.map(({ path, code, message }) => miss(at + path, code, message));
}

const essence = (mediaType: string): string => (mediaType.split(';')[0] ?? '').trim().toLowerCase();
