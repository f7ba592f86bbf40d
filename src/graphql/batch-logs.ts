/** What agents logged, of an item and of an execution. */
import { LIMITS } from '../domain/limits.ts';
import type { LogFilter } from '../domain/log-line.ts';
import { listLogs, type StoredLogLine } from '../services/list-logs.ts';
import { ExecutionType } from './batch-execution.ts';
import { ItemType } from './batch-item.ts';
import { LogLevelEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, type PagingArgs, pageCost, toConnection } from './connection.ts';
import { actorOf, type Context } from './context.ts';
import { badUserInput } from './top-level-errors.ts';

const { logLines, logLineLength } = LIMITS;

const LogLineType = builder.objectRef<StoredLogLine>('BatchLogLine').implement({
  description: `A line that an agent logged. Of an attempt the first ${logLines} are kept.`,
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When it was logged.' }),
    level: t.expose('level', { type: LogLevelEnum, description: 'How important it is, as the agent says.' }),
    message: t.exposeString('message', { description: `The text, cut at ${logLineLength} characters.` }),
    ordinal: t.exposeInt('ordinal', { description: 'The item: its place in the input, from 0.' }),
    tier: t.exposeInt('tier', { description: 'The tier, from 0.' }),
    round: t.exposeInt('round', { description: 'The round: 0 for the first run, then one for each retry.' }),
    attempt: t.exposeInt('attempt', { description: 'The attempt, from 1 in each tier and round.' }),
    dropped: t.exposeInt('dropped', {
      description: 'How many lines that were not kept this one stands for; 0 for a line of the agent.',
    }),
  }),
});

const LogConnection = connectionOf(LogLineType, 'BatchLogLine');

const LogFilterInput = builder.inputType('BatchLogFilter', {
  description: 'Which lines to list; all given conditions must hold. An empty list matches nothing.',
  fields: (t) => ({
    ordinal: t.intList({ description: 'Lines of items at these places in the input, from 0.' }),
    tier: t.intList({ description: 'Lines of these tiers, from 0.' }),
    level: t.field({ type: [LogLevelEnum], description: 'Lines of these levels.' }),
  }),
});

const byId = ordering<StoredLogLine>('logs.id', { text: (line) => line.id });

async function pageOf(executionId: string, filter: LogFilter, args: PagingArgs, ctx: Context) {
  const page = keysetArgs(args, byId);
  // A forged key would be an error of the database.
  if (page.after !== null && !/^\d{1,18}$/.test(String(page.after[0]))) {
    throw badUserInput(`${page.backward ? 'before' : 'after'} is not a cursor of this list in this order.`);
  }
  return toConnection(await listLogs(ctx.deps, actorOf(ctx), { executionId, filter, page }), page, byId);
}

const WRITTEN = 'They are written within a second, apart from results: the last may come after the status.';

builder.objectField(ItemType, 'logs', (t) =>
  t.connection(
    {
      type: LogLineType,
      description: `What agents logged for it, over all attempts, in the order of writing. ${WRITTEN}`,
      // A statement for each item, where a page of items asks for them.
      complexity: (args) => ({ ...pageCost(args), field: 10 }),
      resolve: ({ executionId, ordinal }, args, ctx) => pageOf(executionId, { ordinal: [ordinal] }, args, ctx),
    },
    LogConnection,
  ),
);

builder.objectField(ExecutionType, 'logs', (t) =>
  t.connection(
    {
      type: LogLineType,
      description: `What agents logged for its items, in the order of writing. ${WRITTEN}`,
      complexity: (args) => ({ ...pageCost(args), field: 10 }),
      args: { filter: t.arg({ type: LogFilterInput, description: 'Which lines; all by default.' }) },
      resolve: ({ id }, { filter, ...args }, ctx) => pageOf(id, filter ?? {}, args, ctx),
    },
    LogConnection,
  ),
);
