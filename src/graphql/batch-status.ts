/** The words for where executions and items stand, and why items fail. */
import type { ErrorCategory } from '../domain/item-error.ts';
import type { LogLevel, PauseReason } from '../domain/model.ts';
import type { ExecutionStatus, ItemStatus } from '../domain/states.ts';
import { builder } from './builder.ts';

type Values<Name extends string> = { [name in Name]: { readonly description: string } };

export const ExecutionStatusEnum = builder.enumType('BatchExecutionStatus', {
  description: 'Where a batch execution stands. More values may come.',
  values: {
    DRAFT: { description: 'Still being put together; nothing runs.' },
    PREPARING: { description: 'Its items are being read from the datasource; the first may run already.' },
    QUEUED: { description: 'All its items are known; none has started in this round.' },
    RUNNING: { description: 'Items run.' },
    PAUSED: { description: 'Nothing new starts until it is resumed.' },
    CANCELLING: { description: 'A cancel was asked for; running items are being aborted or finish.' },
    COMPLETED: { description: 'Final: every item succeeded, none with field errors; or there were no items.' },
    COMPLETED_WITH_ERRORS: { description: 'Final: some items succeeded; others did not, or have field errors.' },
    FAILED: { description: 'Final: no item succeeded, or it could not go on; `error` says why.' },
    CANCELLED: { description: 'Final: cancelled; what had finished is kept.' },
    EXPIRED: { description: 'Final: its deadline passed; what had finished is kept.' },
  } satisfies Values<ExecutionStatus>,
});

export const PauseReasonEnum = builder.enumType('PauseReason', {
  description: 'Why an execution is paused. More values may come.',
  values: {
    USER: { description: '`pauseBatchExecution` was called.' },
    SAMPLE: { description: 'The items of its sample have ended.' },
    AGENT_STORM: { description: 'Its agent kept failing at everything for too long.' },
    BUDGET: { description: 'Its calls used as much as its budget allows.' },
  } satisfies Values<PauseReason>,
});

export const ItemStatusEnum = builder.enumType('BatchItemStatus', {
  description: 'Where an item stands. More values may come.',
  values: {
    QUEUED: { description: 'Waits for a slot.' },
    RUNNING: {
      description:
        'The agent of its tier works on it. Shown within a moment, or 0.25 s where many begin at a time: of quick agents items go from `QUEUED` to their end.',
    },
    RETRYING: { description: 'An attempt failed; the next one waits until `nextAttemptAt`, holding no slot.' },
    SUCCEEDED: { description: 'It has a result of the last tier; the result may have field errors.' },
    FAILED: { description: 'Its last attempt failed and no more are made by themselves; `error` says why.' },
    CANCELLED: { description: 'Not finished when its execution was cancelled or could not go on.' },
    EXPIRED: { description: 'Not finished when the deadline of its execution passed.' },
  } satisfies Values<ItemStatus>,
});

export const ErrorCategoryEnum = builder.enumType('ErrorCategory', {
  description: 'What kind of error made an attempt fail. More values may come.',
  values: {
    TIMEOUT: { description: 'It took longer than allowed; transient.' },
    NETWORK: { description: 'A connection failed, or a server answered with a 5xx status; transient.' },
    RATE_LIMIT: { description: 'A service asked to slow down; transient.' },
    RESOURCE: { description: 'Memory, disk or file handles ran out; transient.' },
    INTERRUPTED: { description: 'The process that ran it stopped; transient.' },
    VALIDATION: { description: 'The input, or what the agent returned, breaks a rule; permanent, not tried again.' },
    AUTHENTICATION: { description: 'A service refused the credentials; permanent, not tried again.' },
    DEPENDENCY: { description: 'Something the agent needs is missing or refused; permanent.' },
    RUNTIME: { description: 'Anything else that the agent threw; permanent.' },
  } satisfies Values<ErrorCategory>,
});

export const LogLevelEnum = builder.enumType('LogLevel', {
  description: 'How important a line of a log is.',
  values: {
    DEBUG: { description: 'For whoever looks for a mistake of the agent.' },
    INFO: { description: 'What the agent does; the level of a line that has none.' },
    WARN: { description: 'What may be a problem.' },
    ERROR: { description: 'What is one.' },
  } satisfies Values<LogLevel>,
});
