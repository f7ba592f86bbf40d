/** The executions of a definition version. */
import { type ListedExecution, listExecutions } from '../services/list-executions.ts';
import { BatchDefinitionType } from './batch-definition.ts';
import { ExecutionConnection, ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';

const byCreation = ordering<ListedExecution>(
  'definition-executions.newest',
  { text: (row) => row.sortKey },
  { text: (row) => row.id },
);

builder.objectField(BatchDefinitionType, 'executions', (t) =>
  t.connection(
    {
      type: ExecutionType,
      description: 'The executions of this version, newest first.',
      complexity: pageCost,
      resolve: async ({ id: definitionId }, args, ctx) => {
        const page = keysetArgs(args, byCreation);
        const order = { field: 'CREATED_AT', ascending: false } as const;
        const input = { filter: { definitionId }, order, page };
        return toConnection(await listExecutions(ctx.deps, actorOf(ctx), input), page, byCreation);
      },
    },
    ExecutionConnection,
  ),
);
