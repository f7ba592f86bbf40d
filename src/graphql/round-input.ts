/** What the mutations that open a round have in common: their arguments, and what they say of items left out. */
import { LIMITS } from '../domain/limits.ts';
import type { AgentVersionChoice, SkipReason } from '../domain/retry-selection.ts';
import type { RoundAnswer } from '../services/open-round.ts';
import { builder, type SchemaTypes } from './builder.ts';

type Values<Name extends string> = { [name in Name]: { readonly description: string } };

const { concurrency, retryLimit, itemTimeoutMs, priority } = LIMITS;

export const AgentVersionChoiceEnum = builder.enumType('AgentVersionChoice', {
  description: 'Which version of its agents is run.',
  values: {
    PINNED: { description: 'The version that the execution ran before.' },
    LATEST: { description: 'The newest version that is offered.' },
  } satisfies Values<AgentVersionChoice>,
});

const SkipReasonEnum = builder.enumType('SkipReason', {
  description: 'Why a new round left an item out. More values may come.',
  values: {
    NOT_SELECTED: { description: 'It is not in `itemIds`, or does not match `filter`.' },
    EARLIER_TIER: { description: 'It ended before the tier that a resubmit starts from.' },
    OTHER_STATUS: { description: 'Its status is not in `statuses`.' },
    OTHER_TIER: { description: 'Its tier is not in `tierNums`.' },
    OTHER_CATEGORY: { description: 'Its error is of none of the `errorCategories`.' },
    OTHER_CODE: { description: 'The code of its error is not in `errorCodes`.' },
    PERMANENT_ERROR: { description: 'Its error is not transient, and the mode is TRANSIENT_ONLY.' },
    RETRY_COUNT_REACHED: { description: 'It was retried `maxRetryCount` times.' },
  } satisfies Values<SkipReason>,
});

export const SkippedItems = builder.objectRef<RoundAnswer['skipped'][number]>('SkippedItems').implement({
  description: 'How many items a new round left out for one reason.',
  fields: (t) => ({
    reason: t.expose('reason', { type: SkipReasonEnum, description: 'Why; the first reason that applies.' }),
    count: t.exposeInt('count', { description: 'How many items.' }),
  }),
});

/** The input fields that every kind of round has. */
export const roundInputFields = (t: PothosSchemaTypes.InputFieldBuilder<SchemaTypes, 'InputObject'>) => ({
  batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`; it must have ended.' }),
  agentVersion: t.field({
    type: AgentVersionChoiceEnum,
    defaultValue: 'PINNED',
    description:
      "Which version of its agents the round runs. LATEST takes the newest of each tier's agent, e.g. after a fix of its code, from the first tier that the round may run; its schema must still take the tier's config.",
  }),
  expectedRound: t.int({
    description:
      'The round that the caller has seen; if another call has opened one since, nothing runs and the answer is an InvalidStateError. Makes a repeated call harmless.',
  }),
  deadlineAt: t.field({
    type: 'DateTime',
    description: 'A new deadline, in the future; needed where the present one has passed.',
  }),
  dryRun: t.boolean({ defaultValue: false, description: 'Only count; nothing is changed.' }),
  concurrency: t.int({
    description: `Items that run at a time from now on, ${concurrency.min}-${concurrency.max}; absent: as before.`,
  }),
  retryLimit: t.int({
    description: `Automatic tries after the first from now on, ${retryLimit.min}-${retryLimit.max}; absent: as before.`,
  }),
  itemTimeoutMs: t.int({
    description: `Milliseconds that a call may take from now on, ${itemTimeoutMs.min}-${itemTimeoutMs.max}; absent: as before.`,
  }),
  priority: t.int({
    description: `Its weight from now on, ${priority.min} to ${priority.max}; absent: as before.`,
  }),
});
