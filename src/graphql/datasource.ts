/** Datasources: named sets of elements. */
import type { DATASOURCE_KINDS, Datasource } from '../domain/model.ts';
import { getDatasource, getDatasources, listDatasources } from '../services/read-datasources.ts';
import { getDataElement, listDataElements } from '../services/read-elements.ts';
import { BatchInputFilters } from './batch-spec-input.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { DataElementConnection, DataElementType, elementsPage, toElementConnection } from './data-element.ts';
import { Node, registerNode } from './node.ts';

const DatasourceKindEnum = builder.enumType('DatasourceKind', {
  description: 'Where the elements of a datasource are. More values may come.',
  values: {
    FOLDER: { description: "They are files below a folder of the project's; looked up whenever it is read." },
    STORED: { description: 'They were added by `addDataElements`.' },
    INLINE: {
      description:
        'They came with a call that made a definition or an execution and are fixed, or they were added to a draft.',
    },
    RESULTS: {
      description:
        'They are the results of the executions that name it as their output: nothing is copied. Made by `createResultsDatasource`.',
    },
    EXECUTION_RESULTS: {
      description: 'They are the results of the one execution that it was made for, because that names no output.',
    },
  } satisfies { [kind in (typeof DATASOURCE_KINDS)[number]]: { description: string } },
});

const Folder = builder.objectRef<NonNullable<Datasource['folder']>>('DatasourceFolder').implement({
  description: "Which files of the project's folder are elements.",
  fields: (t) => ({
    path: t.exposeString('path', { description: 'The folder below the project\'s, with "/"; empty for that itself.' }),
    glob: t.exposeString('glob', { description: 'The pattern that the path of a file below the folder must match.' }),
  }),
});

export const DatasourceType = builder.objectRef<Datasource>('Datasource').implement({
  description: 'A named set of inputs.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `ds_…`.' }),
    projectId: t.exposeID('projectId', { description: 'The project it belongs to.' }),
    kind: t.expose('kind', { type: DatasourceKindEnum, description: 'Where its elements are.' }),
    name: t.exposeString('name', {
      description: 'The name, unique in the project; of an INLINE or EXECUTION_RESULTS one, a made one.',
    }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for; null when nobody said.',
    }),
    folder: t.expose('folder', {
      type: Folder,
      nullable: true,
      description: 'Which files it has; null unless it is a FOLDER.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    element: t.field({
      type: DataElementType,
      nullable: true,
      complexity: 5,
      description: 'One element; null when there is none with this id.',
      args: { id: t.arg.id({ required: true, description: 'The id within the datasource.' }) },
      resolve: (datasource, { id }, ctx) => getDataElement(ctx.deps, datasource, id),
    }),
    elements: t.field({
      type: DataElementConnection,
      description:
        'Its elements in the order in which an execution takes them: stored ones as they were added, files by path, results by execution and ordinal. Read forwards only.',
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: 'How many elements, 0-1000; 50 by default.' }),
        after: t.arg.string({ description: 'Goes on after the element with this cursor.' }),
        filters: t.arg({ type: BatchInputFilters, description: 'Which elements; all by default.' }),
      },
      resolve: async (datasource, { filters, ...args }, ctx) => {
        const { after, limit } = elementsPage(args);
        return toElementConnection(await listDataElements(ctx.deps, datasource, filters, after, limit), args);
      },
    }),
  }),
});

const loadDatasources: BatchLoad<string, Datasource | null> = (ids, ctx) => getDatasources(ctx.deps, actorOf(ctx), ids);

/** The datasource with this id as the request's actor may see it, or null. */
export const loadDatasource = (ctx: Context, id: string): Promise<Datasource | null> =>
  ctx.loaders.of(loadDatasources, ctx).load(id);

registerNode('Datasource', DatasourceType, (ctx, _actor, id) => loadDatasource(ctx, id));

const NAMED_KINDS = ['FOLDER', 'STORED', 'RESULTS'] as const;

const byCreation = ordering<Datasource>(
  'datasources.oldest',
  { instant: (row) => row.createdAt },
  { text: (row) => row.id },
);
const DatasourceConnection = connectionOf(DatasourceType, 'Datasource');

builder.queryField('datasources', (t) =>
  t.connection(
    {
      type: DatasourceType,
      description: "The project's datasources, oldest first.",
      complexity: pageCost,
      args: {
        kinds: t.arg({
          type: [DatasourceKindEnum],
          defaultValue: [...NAMED_KINDS],
          description: 'Datasources of these kinds.',
        }),
      },
      resolve: async (_root, { kinds, ...args }, ctx) => {
        const page = keysetArgs(args, byCreation);
        const rows = await listDatasources(ctx.deps, actorOf(ctx), page, kinds ?? NAMED_KINDS);
        return toConnection(rows, page, byCreation);
      },
    },
    DatasourceConnection,
  ),
);

builder.queryField('datasource', (t) =>
  t.field({
    type: DatasourceType,
    nullable: true,
    description: 'The datasource with this id; null when the project has none.',
    args: { id: t.arg.id({ required: true, description: 'The id, `ds_…`.' }) },
    resolve: (_root, { id }, ctx) => getDatasource(ctx.deps, actorOf(ctx), id),
  }),
);
