/** Correcting the result of an item: what a person makes of it is kept beside it. */
import jsonPatch, { type Operation } from 'fast-json-patch';
import { z } from 'zod';
import { parseItemId } from '../domain/ids.ts';
import { jsonProblemMessage, toJsonText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { type Actor, type CorrectionPatch, type ItemCorrection, PATCH_OPS } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { appendCorrection, findPresentResult, type PresentResult } from '../store/corrections.ts';
import { findExecution } from '../store/execution-rows.ts';
import { findItems, type ItemKey } from '../store/item-rows.ts';
import { IssueList } from './issue-list.ts';
import { pointerSegments } from './output-rules-input.ts';
import { ownJson } from './own-json.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

const PATH_LENGTH = 2_000;
/** How often a correction is made anew because another came between. */
const TRIES = 5;

const patch = z.object({
  op: z.enum(PATCH_OPS).nullish(),
  path: storableString(PATH_LENGTH),
  value: z.unknown().optional(),
});

const inputSchema = z.object({
  itemId: z.string(),
  patches: z.array(patch).min(1).max(LIMITS.correctionPatches).nullish(),
  notes: storableString(LIMITS.messageLength).nullish(),
  expectedCorrection: z.int().min(0).nullish(),
  data: ownJson(LIMITS.resultBytes).optional(),
});

/** The item and its data as it should be, changes of its data, or both. */
export type CorrectBatchItemInput = z.input<typeof inputSchema>;

/**
 * Appends a correction to an item that SUCCEEDED and tells those who watch its execution.
 *
 * Patches apply to the given data, else to the present one, corrected or not; all or none. The outcome must fit the tier's `outputSchema`.
 * `expectedCorrection` is the number of the last correction that the caller has seen, 0 for none: where there is
 * another the answer is an InvalidStateError. Needs MEMBER; throws ValidationError, NotFoundError.
 */
export async function correctBatchItem(
  deps: ServiceDeps,
  actor: Actor,
  input: CorrectBatchItemInput,
): Promise<ItemCorrection> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const request = issues.check(inputSchema, input, ['input']);
  if (input.data == null && input.patches == null) issues.add(['input'], 'missing', 'needs data, patches or both');
  issues.throwIfAny();
  if (request === undefined) throw new Error('An input without problems was not read.');
  const key = parseItemId(request.itemId);
  const execution = key === null ? undefined : await findExecution(deps.db, actor.projectId, key.executionId);
  if (key === null || execution === undefined) throw new NotFoundError('batch item', request.itemId);
  const patches = request.patches?.map(patchOf) ?? null;
  for (let tries = 1; ; tries += 1) {
    const present = await correctable(deps, actor, key, request.itemId, request.expectedCorrection ?? null);
    const base = request.data ?? present.data;
    const data = patches === null ? base : patched(base, patches);
    const text = await checked(deps, execution.spec.tiers[present.tier], data, patches === null ? 'data' : 'patches');
    const { tier, round, lastNumber } = present;
    const correction = {
      ...{ ...key, number: lastNumber + 1, tier, round, notes: request.notes ?? null },
      ...{ createdAt: deps.now(), createdBy: actor.keyId },
    };
    const rows = { data: text, patches: patches === null ? null : JSON.stringify(patches) };
    const revision = await appendCorrection(deps.db, actor.projectId, { ...correction, ...rows });
    if (revision !== null) {
      deps.publish(key.executionId, revision);
      return { ...correction, data, patches };
    }
    if (tries === TRIES) throw new InvalidStateError('The item keeps changing; try again.', present.status);
  }
}

const patchOf = ({ op, path, value }: z.output<typeof patch>): CorrectionPatch =>
  op === 'REMOVE' ? { op, path } : { op: op ?? 'REPLACE', path, value: value ?? null };

async function correctable(
  deps: ServiceDeps,
  actor: Actor,
  key: ItemKey,
  id: string,
  expected: number | null,
): Promise<PresentResult> {
  const present = await findPresentResult(deps.db, actor.projectId, key);
  const status = present?.status ?? (await findItems(deps.db, actor.projectId, [key]))[0]?.status;
  if (status === undefined) throw new NotFoundError('batch item', id);
  if (present === undefined || status !== 'SUCCEEDED') {
    throw new InvalidStateError(`The item is ${status}; only the result of a SUCCEEDED one can be corrected.`, status);
  }
  if (expected !== null && expected !== present.lastNumber) {
    throw new InvalidStateError(
      `The item's last correction is ${present.lastNumber}, not ${expected}: look at it first.`,
      present.status,
    );
  }
  return present;
}

/** The data with the patches applied; throws ValidationError at the first that does not apply. */
function patched(data: unknown, patches: readonly CorrectionPatch[]): unknown {
  let present = structuredClone(data);
  for (const [index, { op, path, value }] of patches.entries()) {
    // Cloned: a later patch may change what this one puts in.
    const operation = { op: op.toLowerCase(), path, value: structuredClone(value) } as Operation;
    try {
      // A scalar has no fields; the library takes one to a field for done.
      if (path !== '' && (typeof present !== 'object' || present === null)) {
        throw new TypeError('the data is no object and no list');
      }
      present = jsonPatch.applyPatch(present, [operation], true, true, true).newDocument;
    } catch (error) {
      throw new ValidationError([
        { loc: ['input', 'patches', String(index)], msg: problemOf(error), type: 'patch', ctx: { path, op } },
      ]);
    }
  }
  return present;
}

const problemOf = (error: unknown): string =>
  error instanceof jsonPatch.JsonPatchError
    ? (error.message.split('\n')[0] ?? 'does not apply')
    : error instanceof Error
      ? error.message.replace(/, if this was on purpose.*/s, '')
      : 'does not apply';

/** The data as JSON text, once it is storable and keeps the rules of its tier. */
async function checked(
  { outputs }: Pick<ServiceDeps, 'outputs'>,
  tier: { readonly outputSchema?: unknown } | undefined,
  data: unknown,
  field: 'data' | 'patches',
): Promise<string> {
  const loc = ['input', field];
  const json = toJsonText(data, LIMITS.resultBytes, LIMITS.jsonDepth);
  if (!json.ok)
    throw new ValidationError([{ loc, msg: `The data ${jsonProblemMessage(json.problem)}.`, type: json.problem }]);
  if (tier?.outputSchema === undefined) return json.text;
  const { outputSchema } = tier;
  const { fieldErrors } = await outputs.misses({ outputSchema }, { data: json.text, artifacts: null });
  if (fieldErrors.length > 0) {
    throw new ValidationError(
      fieldErrors.map(({ path, code, message }) => ({
        loc: [...loc, ...(field === 'data' ? pointerSegments(path) : [])],
        msg: message,
        type: 'output_mismatch',
        ctx: { path, code },
      })),
    );
  }
  return json.text;
}
