/** The live stream of one execution. */
import { LIMITS } from '../domain/limits.ts';
import type { ExecutionUpdate } from '../services/execution-reader.ts';
import { watchExecution } from '../services/watch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { ItemType } from './batch-item.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const ExecutionUpdateType = builder.objectRef<ExecutionUpdate>('BatchExecutionUpdate').implement({
  description: 'A newer state of an execution than the event before it had.',
  fields: (t) => ({
    revision: t.int({
      description:
        'The revision of this state: pass the last one seen as `afterRevision` to go on after a lost connection.',
      resolve: ({ execution }) => execution.revision,
    }),
    batchExecution: t.field({
      type: ExecutionType,
      description: 'The execution at this revision.',
      resolve: ({ execution }) => execution,
    }),
    changedItems: t.field({
      type: [ItemType],
      complexity: { field: 10, multiplier: LIMITS.changedItemsPerEvent / 10 },
      description: `Items changed since the previous event of this stream (since \`afterRevision\` in the first one), newest change first, at most ${LIMITS.changedItemsPerEvent}. Each is as it is when read, which may be newer than \`revision\`.`,
      resolve: async (update, _args, ctx) => [...(await ctx.deps.feed.changedItems(update)).items],
    }),
    changedItemsTruncated: t.boolean({
      description:
        'Whether more items changed, or may have, than `changedItems` holds: read `items(filter: {updatedAfterRevision: …})` with the revision of the previous event.',
      resolve: async (update, _args, ctx) => (await ctx.deps.feed.changedItems(update)).truncated,
    }),
  }),
});

builder.subscriptionField('batchExecutionUpdated', (t) =>
  t.field({
    type: ExecutionUpdateType,
    description: `First the present state (unless \`afterRevision\` is it), then each newer one, at most one every ${LIMITS.updateIntervalMs} ms, except that the end comes at once; ends after the final state of an execution that has ended. A client that is slow skips to the newest state.`,
    args: {
      id: t.arg.id({
        required: true,
        description: 'The execution, `exec_…`. Malformed, unknown or foreign: NOT_FOUND.',
      }),
      afterRevision: t.arg.int({
        description:
          'The revision that the client has, 0 or more: it is then told only what is newer. One above the present revision counts as none.',
      }),
    },
    // Before resolve: Pothos infers the event's type from here.
    subscribe: (_root, { id, afterRevision }, ctx) =>
      watchExecution(ctx.deps, actorOf(ctx), { id, afterRevision: afterRevision ?? null }),
    resolve: (update) => update,
  }),
);
