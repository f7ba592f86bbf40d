/** What attempts at an item leave behind: results of tiers, field errors, artifacts and errors. */
import { LIMITS } from '../domain/limits.ts';
import type { Artifact, FieldError, ItemFailure, ItemResult } from '../domain/model.ts';
import { ErrorCategoryEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { millisecondsOf } from './milliseconds.ts';
import { CallUsageType } from './token-usage.ts';

const { nameLength, messageLength, traceLength, failureDetailsBytes } = LIMITS;

export const FieldErrorType = builder.objectRef<FieldError>('FieldError').implement({
  description: 'A flaw in one field of an otherwise usable result.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'JSON Pointer into the data, e.g. `/total`.' }),
    code: t.exposeString('code', { description: "The agent's word for the flaw, for programs." }),
    message: t.exposeString('message', { description: 'What is wrong, for people.' }),
  }),
});

/** An artifact with the result that it is of. */
interface ShownArtifact extends Artifact {
  readonly of: ItemResult;
}

/** The artifacts of a result as the schema shows them. */
export const artifactsOf = (result: ItemResult | null): ShownArtifact[] =>
  result === null ? [] : result.artifacts.map((artifact) => ({ ...artifact, of: result }));

export const ArtifactType = builder.objectRef<ShownArtifact>('Artifact').implement({
  description: 'A file-like output of an item. It has either `content` or `url`.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its id within the result.' }),
    filename: t.exposeString('filename', { description: 'Its filename.' }),
    mediaType: t.exposeString('mediaType', { description: 'Its media type, e.g. `application/pdf`.' }),
    // Not Int, which ends at 2 GB.
    sizeBytes: t.exposeFloat('sizeBytes', {
      nullable: true,
      description: 'Its size in bytes, a whole number; null when it is not known.',
    }),
    content: t.exposeString('content', { nullable: true, description: 'Its bytes in base64; null when it has a URL.' }),
    url: t.exposeString('url', { nullable: true, description: 'Where its bytes are; null when it has content.' }),
    downloadUrl: t.string({
      nullable: true,
      description: `Where to download its content, as a path on this service that works as \`resultsUrl\` does: without a key for ${LIMITS.resultsUrlMinutes} minutes. null when it has a URL.`,
      resolve: ({ id, content, of }, _args, ctx) => {
        if (content === null) return null;
        const { executionId, ordinal, tier, round } = of;
        const token = ctx.deps.resultLinks.sign(actorOf(ctx), executionId, ctx.deps.now());
        return `/executions/${executionId}/items/${ordinal}/artifacts/${encodeURIComponent(id)}?tier=${tier}&round=${round}&token=${token}`;
      },
    }),
  }),
});

export const ItemErrorType = builder.objectRef<ItemFailure>('BatchItemError').implement({
  description: 'Why one attempt at an item failed.',
  fields: (t) => ({
    category: t.expose('category', { type: ErrorCategoryEnum, description: 'What kind of error it is.' }),
    transient: t.exposeBoolean('transient', { description: 'Whether a later attempt may succeed.' }),
    code: t.exposeString('code', {
      description: `The error for programs, e.g. \`http_404\` or \`ECONNREFUSED\`, at most ${nameLength} characters.`,
    }),
    message: t.exposeString('message', { description: `The error for people, at most ${messageLength} characters.` }),
    details: t.expose('details', {
      type: 'JSON',
      nullable: true,
      description: `What the agent added to it; null when it added nothing, more than ${failureDetailsBytes} bytes of JSON, or what is no JSON.`,
    }),
    attempt: t.exposeInt('attempt', { description: 'Which attempt failed, from 1 in each tier and round.' }),
    tier: t.exposeInt('tier', { description: 'The tier it failed in, from 0.' }),
    round: t.exposeInt('round', {
      description: 'The round it failed in: 0 for the first run, then one for each retry.',
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the attempt started; null where that was not recorded.',
    }),
    at: t.expose('at', { type: 'DateTime', description: 'When it failed.' }),
    component: t.exposeString('component', {
      nullable: true,
      description: `The part that failed: \`service\` for Batchyard itself, else what the agent says, at most ${nameLength} characters; null when it does not.`,
    }),
    stage: t.exposeString('stage', {
      nullable: true,
      description: `What was being done. Of the service \`input\`, \`call\` or \`result\`, else what the agent says, at most ${nameLength} characters; null when it does not.`,
    }),
    trace: t.exposeString('trace', {
      nullable: true,
      description: `The stack of what the agent threw, cut at ${traceLength} characters; null when it had none.`,
    }),
    recovery: t.exposeString('recovery', {
      nullable: true,
      description: `What may be done about it, for people, at most ${messageLength} characters; null when nobody knows.`,
    }),
    usage: t.expose('usage', {
      type: CallUsageType,
      nullable: true,
      description: 'What the failed call used of a language model; null when the agent did not say.',
    }),
  }),
});

/** Cost of data that may be large: what a thousand small fields are not. */
export const DATA_COST = 20;

export const TierResultType = builder.objectRef<ItemResult>('TierResult').implement({
  description: 'The newest result that an item has in one tier.',
  fields: (t) => ({
    tier: t.exposeInt('tier', { description: 'The tier, from 0.' }),
    round: t.exposeInt('round', { description: 'The round that made it: 0 for the first run.' }),
    attempt: t.exposeInt('attempt', { description: 'The attempt that succeeded, from 1.' }),
    data: t.expose('data', {
      type: 'JSON',
      nullable: true,
      complexity: DATA_COST,
      description: 'What the agent returned, as it returned it.',
    }),
    fieldErrors: t.field({
      type: [FieldErrorType],
      description: 'Flaws in single fields of the data.',
      resolve: (result) => [...result.fieldErrors],
    }),
    outputArtifacts: t.field({
      type: [ArtifactType],
      complexity: { field: DATA_COST, multiplier: 2 },
      description: 'Files that the agent made.',
      resolve: artifactsOf,
    }),
    contentHash: t.exposeString('contentHash', {
      nullable: true,
      description: 'SHA-256, in hex, of the content that the agent read; null when it read none.',
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the attempt that made it started; null where that was not recorded.',
    }),
    endedAt: t.expose('at', { type: 'DateTime', description: 'When that attempt ended.' }),
    durationMs: t.int({
      nullable: true,
      description: 'Milliseconds from start to end of that attempt; null where its start was not recorded.',
      resolve: ({ startedAt, at }) => millisecondsOf(startedAt, at),
    }),
    at: t.expose('at', { type: 'DateTime', description: 'The same as `endedAt`.' }),
    score: t.exposeFloat('score', {
      nullable: true,
      description: 'How sure the agent is of it, 0 to 1; null when it did not say.',
    }),
    usage: t.expose('usage', {
      type: CallUsageType,
      nullable: true,
      description: 'What that attempt used of a language model; null when the agent did not say.',
    }),
  }),
});
