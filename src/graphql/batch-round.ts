/** The rounds of an execution: its first run, and each retry or resubmit. */
import type { Round, RoundKind } from '../domain/retry-selection.ts';
import { MAX_ROUNDS, readRounds } from '../services/read-rounds.ts';
import { AgentVersionType, loadAgentVersion } from './agent.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { oncePerState } from './once-per-state.ts';

const roundsOf = oncePerState<readonly Round[]>((executions, ctx) =>
  readRounds(
    ctx.deps,
    actorOf(ctx),
    executions.map((execution) => execution.id),
  ),
);

const RoundKindEnum = builder.enumType('BatchRoundKind', {
  description: 'What opened a round. More values may come.',
  values: {
    FIRST: { description: 'The execution itself: its first run.' },
    RETRY: { description: '`retryFailedItems`.' },
    RESUBMIT: { description: '`resubmitBatchExecution`.' },
  } satisfies { [kind in RoundKind]: { readonly description: string } },
});

const RoundType = builder.objectRef<Round>('BatchRound').implement({
  description: 'One round of an execution, and what it changed of how the execution runs from then on.',
  fields: (t) => ({
    number: t.exposeInt('round', { description: 'Which round it is: 0 for the first run.' }),
    kind: t.expose('kind', { type: RoundKindEnum, description: 'What opened it.' }),
    openedAt: t.expose('openedAt', { type: 'DateTime', description: 'When it was opened.' }),
    fromTier: t.exposeInt('fromTier', {
      nullable: true,
      description: 'The first tier that a RESUBMIT did again, from 0; null for other kinds.',
    }),
    agents: t.field({
      type: [AgentVersionType],
      description: 'The agent version that each tier ran in it, in the order of the tiers.',
      resolve: async ({ agentVersionIds }, _args, ctx) =>
        (await Promise.all(agentVersionIds.map((id) => loadAgentVersion(ctx, id)))).filter((found) => found !== null),
    }),
    concurrency: t.int({
      nullable: true,
      description: 'Items that ran at a time from then on; null: as before.',
      resolve: ({ parameters }) => parameters.concurrency ?? null,
    }),
    retryLimit: t.int({
      nullable: true,
      description: 'Automatic tries after the first from then on; null: as before.',
      resolve: ({ parameters }) => parameters.retryLimit ?? null,
    }),
    itemTimeoutMs: t.int({
      nullable: true,
      description: 'Milliseconds that a call could take from then on; null: as before.',
      resolve: ({ parameters }) => parameters.itemTimeoutMs ?? null,
    }),
    priority: t.int({
      nullable: true,
      description: 'Its weight from then on; null: as before.',
      resolve: ({ parameters }) => parameters.priority ?? null,
    }),
  }),
});

builder.objectField(ExecutionType, 'rounds', (t) =>
  t.field({
    type: [RoundType],
    complexity: { field: 5, multiplier: 3 },
    description: `Its rounds, oldest first; the last ${MAX_ROUNDS} where there are more.`,
    resolve: async (execution, _args, ctx) => [...(await roundsOf(execution, ctx))],
  }),
);
