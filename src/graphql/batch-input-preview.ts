/** What an execution would take from a datasource now, without making anything. */
import { LIMITS } from '../domain/limits.ts';
import {
  type BatchInputPreview,
  countMatches,
  type MatchCount,
  type PreviewInput,
  previewBatchInput,
} from '../services/preview-batch-input.ts';
import { listDataElements } from '../services/read-elements.ts';
import { BatchInputFilters } from './batch-spec-input.ts';
import { builder } from './builder.ts';
import { pageCost } from './connection.ts';
import { actorOf } from './context.ts';
import { DataElementConnection, elementsPage, toElementConnection } from './data-element.ts';
import { DatasourceType } from './datasource.ts';
import { badUserInput } from './top-level-errors.ts';

const MatchesType = builder.objectRef<MatchCount>('BatchInputMatches').implement({
  description: 'How many elements match.',
  fields: (t) => ({
    count: t.exposeInt('count', { description: 'The elements that match now.' }),
    isComplete: t.exposeBoolean('isComplete', {
      description: `Whether these are all; counting by filters stops soon after ${LIMITS.previewMatches}.`,
    }),
  }),
});

const PreviewType = builder.objectRef<BatchInputPreview>('BatchInputPreview').implement({
  description: 'Which elements an execution would take now.',
  fields: (t) => ({
    datasource: t.expose('datasource', { type: DatasourceType, description: 'Where they would come from.' }),
    filters: t.field({
      type: 'JSON',
      description: 'The filters that would choose them; empty when all are taken.',
      resolve: ({ filters }) => filters,
    }),
    matches: t.field({
      type: MatchesType,
      complexity: 200,
      description: 'How many there are; counted when asked for, by looking at every element where there are filters.',
      resolve: (preview, _args, ctx) => countMatches(ctx.deps, preview),
    }),
    elements: t.field({
      type: DataElementConnection,
      description: 'They themselves, in the order in which an execution would take them. Read forwards only.',
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: 'How many elements, 0-1000; 50 by default.' }),
        after: t.arg.string({ description: 'Goes on after the element with this cursor.' }),
      },
      resolve: async ({ datasource, filters }, args, ctx) => {
        const { after, limit } = elementsPage(args);
        return toElementConnection(await listDataElements(ctx.deps, datasource, filters, after, limit), args);
      },
    }),
  }),
});

builder.queryField('batchInputPreview', (t) =>
  t.field({
    type: PreviewType,
    nullable: true,
    description:
      'Which elements an execution of a definition, or over a datasource, would take now. Nothing is made. null when the project has no such definition or datasource.',
    args: {
      definitionId: t.arg.id({ description: 'A definition version, `def_…`; not together with `datasourceId`.' }),
      datasourceId: t.arg.id({ description: 'A datasource, `ds_…`; not together with `definitionId`.' }),
      filters: t.arg({
        type: BatchInputFilters,
        description: "Instead of the definition's filters, as in `inputOverrides`; none by default for a datasource.",
      }),
    },
    resolve: (_root, { filters, ...args }, ctx) =>
      previewBatchInput(ctx.deps, actorOf(ctx), { source: sourceOf(args), filters }),
  }),
);

interface SourceArgs {
  readonly definitionId?: string | null | undefined;
  readonly datasourceId?: string | null | undefined;
}

function sourceOf({ definitionId, datasourceId }: SourceArgs): PreviewInput['source'] {
  if (definitionId != null && datasourceId == null) return { definitionId };
  if (datasourceId != null && definitionId == null) return { datasourceId };
  throw badUserInput('batchInputPreview takes exactly one of definitionId and datasourceId.');
}
