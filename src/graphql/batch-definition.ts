/** Batch definitions: named, immutable, versioned recipes. */
import type { BatchDefinition } from '../domain/model.ts';
import {
  type DefinitionReference,
  getBatchDefinition,
  getBatchDefinitions,
  listBatchDefinitions,
  listDefinitionVersions,
} from '../services/read-definitions.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { Node, registerNode } from './node.ts';
import { badUserInput } from './top-level-errors.ts';

const loadDefinitions: BatchLoad<string, BatchDefinition | null> = (ids, ctx) =>
  getBatchDefinitions(ctx.deps, actorOf(ctx), ids);

/** The definition version with this id as the request's actor may see it, or null. */
export const loadDefinition = (ctx: Context, id: string): Promise<BatchDefinition | null> =>
  ctx.loaders.of(loadDefinitions, ctx).load(id);

export const BatchDefinitionRef = builder.objectRef<BatchDefinition>('BatchDefinition');

export const BatchDefinitionType = BatchDefinitionRef.implement({
  description: 'One version of a recipe: which agents work on which elements, and how. It never changes.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id of this version, `def_…`.' }),
    projectId: t.exposeID('projectId', { description: 'The project it belongs to.' }),
    name: t.exposeString('name', { description: 'The name that its versions share, unique in the project.' }),
    version: t.exposeInt('version', { description: 'Its number, from 1 without gaps; new content has the next one.' }),
    parent: t.field({
      type: BatchDefinitionRef,
      nullable: true,
      complexity: 2,
      description:
        'The version it was made from: the one that was updated, else the newest at the time; null for a first.',
      resolve: ({ parentId }, _args, ctx) => (parentId === null ? null : loadDefinition(ctx, parentId)),
    }),
    urn: t.exposeString('urn', {
      description: 'Its stable name across systems: `urn:batchyard:batch-definition:{customer}:{project}:{id}`.',
    }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for; null when nobody said.',
    }),
    spec: t.expose('spec', {
      type: 'JSON',
      description:
        'Its content as one document, with the defaults filled in. Agents are named as the creator named them.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    createdBy: t.exposeID('createdBy', { nullable: true, description: 'The API key that made it, `key_…`.' }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was deleted: nothing new is made from it, and what was made stays. null while it is not.',
    }),
  }),
});

registerNode('BatchDefinition', BatchDefinitionType, (ctx, _actor, id) => loadDefinition(ctx, id));

const byCreation = ordering<BatchDefinition>(
  'definitions.newest',
  { instant: (row) => row.createdAt },
  { text: (row) => row.id },
);
const BatchDefinitionConnection = connectionOf(BatchDefinitionType, 'BatchDefinition');
const byVersion = ordering<BatchDefinition>('definition-versions.newest', { int: (row) => row.version });

builder.objectField(BatchDefinitionType, 'versions', (t) =>
  t.connection(
    {
      type: BatchDefinitionType,
      description: 'The versions of its name that are not deleted, the highest number first.',
      complexity: pageCost,
      resolve: async (definition, args, ctx) => {
        const page = keysetArgs(args, byVersion);
        return toConnection(await listDefinitionVersions(ctx.deps, definition, page), page, byVersion);
      },
    },
    BatchDefinitionConnection,
  ),
);

builder.queryField('batchDefinitions', (t) =>
  t.connection(
    {
      type: BatchDefinitionType,
      description: "The versions of the project's definitions that are not deleted, newest first.",
      complexity: pageCost,
      args: {
        name: t.arg.string({ description: 'The versions of this definition alone.' }),
        newestOnly: t.arg.boolean({ description: 'Only the newest version of each name. Default false.' }),
      },
      resolve: async (_root, { name, newestOnly, ...args }, ctx) => {
        const page = keysetArgs(args, byCreation);
        const rows = await listBatchDefinitions(ctx.deps, actorOf(ctx), page, { name, newestOnly });
        return toConnection(rows, page, byCreation);
      },
    },
    BatchDefinitionConnection,
  ),
);

builder.queryField('batchDefinition', (t) =>
  t.field({
    type: BatchDefinitionType,
    nullable: true,
    description:
      'The definition version that exactly one of id, urn and name stands for; null when the project has none. A deleted one is found by id and by urn only.',
    args: {
      id: t.arg.id({ description: 'The id of a version, `def_…`.' }),
      urn: t.arg.string({ description: 'The URN of a version.' }),
      name: t.arg.string({ description: 'The name; its newest version unless `version` is given.' }),
      version: t.arg.int({ description: 'The number of the version, from 1; with `name` only.' }),
    },
    resolve: (_root, args, ctx) => getBatchDefinition(ctx.deps, actorOf(ctx), referenceOf(args)),
  }),
);

interface ReferenceArgs {
  readonly id?: string | null | undefined;
  readonly urn?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly version?: number | null | undefined;
}

function referenceOf({ id, urn, name, version }: ReferenceArgs): DefinitionReference {
  const given: DefinitionReference[] = [
    ...(id == null ? [] : [{ id }]),
    ...(urn == null ? [] : [{ urn }]),
    ...(name == null ? [] : [{ name, version: version ?? null }]),
  ];
  const [reference, second] = given;
  if (reference === undefined || second !== undefined)
    throw badUserInput('batchDefinition takes exactly one of id, urn and name.');
  if (version != null && name == null) throw badUserInput('version goes with name.');
  return reference;
}
