/** Reading executions: one by its id, or a project's, filtered and ordered. */
import { nodeTypeOf } from '../domain/ids.ts';
import {
  countExecutions,
  type EXECUTION_ORDER_FIELDS,
  type ListedExecution,
  listExecutions,
} from '../services/list-executions.ts';
import { ExecutionConnection, ExecutionType, loadExecution } from './batch-execution.ts';
import { ExecutionStatusEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { counted, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';
import { selects } from './selects.ts';

const MetadataMatchInput = builder.inputType('MetadataMatch', {
  description: 'A value at a place in the metadata.',
  fields: (t) => ({
    path: t.string({
      required: true,
      description:
        'Keys with dots between them, such as `customer.region`; in a list a number is a place, from 0. For keys that have dots themselves use `metadata`.',
    }),
    equals: t.field({
      type: 'JSON',
      description: 'What must be there, the whole of it; null or absent: an explicit null.',
    }),
  }),
});

export const ExecutionFilterInput = builder.inputType('BatchExecutionFilter', {
  description: 'Which executions to list; all given conditions must hold. An empty list matches nothing.',
  fields: (t) => ({
    status: t.field({ type: [ExecutionStatusEnum], description: 'Executions in one of these statuses.' }),
    definitionId: t.id({ description: 'Executions of this version of a definition.' }),
    definitionName: t.string({ description: 'Executions of any version of the definition with this name.' }),
    datasourceId: t.id({ description: 'Executions over this datasource.' }),
    outputDatasourceId: t.id({ description: 'Executions whose results go to this datasource.' }),
    agent: t.string({ description: 'Executions that use any version of the agent with this id or name, in any tier.' }),
    name: t.string({ description: 'Executions whose name contains this; upper and lower case alike.' }),
    createdAfter: t.field({ type: 'DateTime', description: 'Executions made later than this instant.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Executions made earlier than this instant.' }),
    startedAfter: t.field({ type: 'DateTime', description: 'Executions that started later than this instant.' }),
    startedBefore: t.field({ type: 'DateTime', description: 'Executions that started earlier than this instant.' }),
    endedAfter: t.field({ type: 'DateTime', description: 'Executions that ended later than this instant.' }),
    endedBefore: t.field({ type: 'DateTime', description: 'Executions that ended earlier than this instant.' }),
    metadata: t.field({
      type: 'JSON',
      description:
        'Executions whose metadata contains this: an object with these keys at least, each containing its value; a list with these entries at least; else an equal value.',
    }),
    metadataAt: t.field({
      type: [MetadataMatchInput],
      description: 'Executions whose metadata has these values at these places; at most 20.',
    }),
  }),
});

const OrderField = builder.enumType('BatchExecutionOrderField', {
  description: 'What executions are ordered by. More values may come.',
  values: {
    CREATED_AT: { description: 'When they were made.' },
    STARTED_AT: { description: 'When they started; what has not started comes after everything that has.' },
    ENDED_AT: { description: 'When they ended; what has not ended comes after everything that has.' },
    STATUS: { description: "The status's name in the alphabet; in one status when they were made." },
  } satisfies { [field in (typeof EXECUTION_ORDER_FIELDS)[number]]: { description: string } },
});

const OrderDirection = builder.enumType('OrderDirection', {
  description: 'Which end of an order comes first.',
  values: {
    ASC: { description: 'The oldest or smallest first.' },
    DESC: { description: 'The newest or largest first.' },
  },
});

const ExecutionOrderInput = builder.inputType('BatchExecutionOrder', {
  description: 'The order of a list of executions.',
  fields: (t) => ({
    field: t.field({ type: OrderField, required: true, defaultValue: 'CREATED_AT', description: 'What to order by.' }),
    direction: t.field({
      type: OrderDirection,
      required: true,
      defaultValue: 'DESC',
      description: 'Which end comes first.',
    }),
  }),
});

/** The change number that was read before a page. */
const HEADS = new WeakMap<object, number>();

builder.objectField(ExecutionConnection, 'change', (t) =>
  t.int({
    description:
      "The number that the changes of the project's executions had come to before this page was read: what comes later is told by `batchExecutionsUpdated(afterChange: …)`.",
    resolve: (page) => HEADS.get(page) ?? 0,
  }),
);

builder.queryField('batchExecution', (t) =>
  t.field({
    type: ExecutionType,
    nullable: true,
    description: 'The execution with this id; null when it is malformed, unknown or of another project.',
    args: { id: t.arg.id({ required: true, description: 'Its id, `exec_…`.' }) },
    resolve: (_root, { id }, ctx) => (nodeTypeOf(id) === 'BatchExecution' ? loadExecution(ctx, id) : null),
  }),
);

builder.queryField('batchExecutions', (t) =>
  t.connection(
    {
      type: ExecutionType,
      description: "The project's executions, newest first unless ordered otherwise.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: ExecutionFilterInput, description: 'Which executions; all by default.' }),
        orderBy: t.arg({ type: ExecutionOrderInput, description: 'Their order; newest first by default.' }),
      },
      resolve: async (_root, { filter, orderBy, ...args }, ctx, info) => {
        const { field, direction } = orderBy ?? { field: 'CREATED_AT', direction: 'DESC' };
        const order = ordering<ListedExecution>(
          `executions.${field}.${direction}`,
          { text: (row) => row.sortKey },
          { text: (row) => row.id },
        );
        const page = keysetArgs(args, order);
        const input = { filter: filter ?? {}, order: { field, ascending: direction === 'ASC' }, page };
        // Before the rows: what changes between the two is told twice, and never not at all.
        const change = selects(info, 'change') ? await ctx.deps.lists.head(actorOf(ctx).projectId) : 0;
        const rows = await listExecutions(ctx.deps, actorOf(ctx), input);
        const list = counted(toConnection(rows, page, order), () =>
          countExecutions(ctx.deps, actorOf(ctx), input.filter),
        );
        HEADS.set(list, change);
        return list;
      },
    },
    ExecutionConnection,
  ),
);
