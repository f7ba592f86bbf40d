/** The live stream of a list of executions. */
import type { LIST_CHANGES, ListUpdate } from '../services/list-reader.ts';
import { watchExecutions } from '../services/watch-executions.ts';
import { ExecutionType } from './batch-execution.ts';
import { ExecutionFilterInput } from './batch-executions.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const ListChangeEnum = builder.enumType('ListChange', {
  description: 'What became of an execution in a list. More values may come.',
  values: {
    ENTERED: { description: 'It is in the list, and this stream had not said so; the client may have it already.' },
    CHANGED: { description: 'It is in the list, and this stream had said so.' },
    LEFT: { description: 'It is not in the list, or not any more; the client may not have had it.' },
    DELETED: { description: 'It is deleted.' },
  } satisfies { [kind in (typeof LIST_CHANGES)[number]]: { description: string } },
});

const ListUpdateType = builder.objectRef<ListUpdate>('BatchExecutionListUpdate').implement({
  description: 'What became of one execution in a list. A change that comes twice does no harm.',
  fields: (t) => ({
    change: t.exposeInt('change', {
      description:
        'Every change up to this number has been told: pass it as `afterChange` to go on after a lost connection.',
    }),
    kind: t.expose('kind', { type: ListChangeEnum, description: 'What became of it.' }),
    id: t.exposeID('id', { description: 'The execution, `exec_…`.' }),
    batchExecution: t.field({
      type: ExecutionType,
      nullable: true,
      description: 'The execution where it is in the list; null when it left or is deleted.',
      resolve: ({ execution }) => execution,
    }),
  }),
});

builder.subscriptionField('batchExecutionsUpdated', (t) =>
  t.field({
    type: ListUpdateType,
    description:
      "What changes in a list of the project's executions, for lists and monitors. Read the list with its `change`, then follow it from there. An execution is told of some times a second at most, and a client that is slow skips to the newest state.",
    args: {
      filter: t.arg({ type: ExecutionFilterInput, description: 'Which executions; all by default.' }),
      afterChange: t.arg.int({
        description:
          'The number of the last change that the client has, 0 or more: it is told of every execution that changed since. 0, and a number above the present one, tell of all; absent: from now on. Deletions are told for a week.',
      }),
    },
    // Before resolve: Pothos infers the event's type from here.
    subscribe: (_root, { filter, afterChange }, ctx) =>
      watchExecutions(ctx.deps, actorOf(ctx), { filter: filter ?? {}, afterChange: afterChange ?? null }),
    resolve: (update) => update,
  }),
);
