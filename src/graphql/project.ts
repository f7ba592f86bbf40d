/** Projects: the namespaces that batches, datasources and definitions live in. */
import type { Project } from '../domain/model.ts';
import { AlreadyExistsError, ValidationError } from '../domain/user-error.ts';
import { createProject } from '../services/create-project.ts';
import { getProject, listProjects } from '../services/read-tenancy.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';
import { Node, registerNode } from './node.ts';

export const ProjectType = builder.objectRef<Project>('Project').implement({
  description: 'A namespace of a customer; every datasource, definition and execution belongs to one.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `proj_…`.' }),
    customerId: t.exposeID('customerId', { description: 'The customer it belongs to.' }),
    slug: t.exposeString('slug', { description: 'The name for the header `X-Namespace`, unique within the customer.' }),
    name: t.exposeString('name', { description: 'The name for people.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

registerNode('Project', ProjectType, (ctx, actor, id) => getProject(ctx.deps, actor, id));

export const byProjectCreation = ordering<Project>(
  'projects.oldest',
  { instant: (row) => row.createdAt },
  { text: (row) => row.id },
);
export const ProjectConnection = connectionOf(ProjectType, 'Project');

builder.queryField('projects', (t) =>
  t.connection(
    {
      type: ProjectType,
      description: "The customer's projects, oldest first. Needs ADMIN.",
      authScopes: { admin: true },
      complexity: pageCost,
      resolve: async (_root, args, ctx) => {
        const page = keysetArgs(args, byProjectCreation);
        return toConnection(await listProjects(ctx.deps, actorOf(ctx), page), page, byProjectCreation);
      },
    },
    ProjectConnection,
  ),
);

const CreateProjectInput = builder.inputType('CreateProjectInput', {
  description: 'What a new project is made from.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'The name for people, 1-200 characters.' }),
    slug: t.string({
      description: 'A name of 1-64 of a-z, 0-9 and hyphens, unique within the customer; made from `name` by default.',
    }),
  }),
});

const CreateProjectSuccess = builder.objectRef<{ readonly project: Project }>('CreateProjectSuccess').implement({
  description: 'The project was made.',
  fields: (t) => ({ project: t.expose('project', { type: ProjectType, description: 'The new project.' }) }),
});

builder.mutationField('createProject', (t) =>
  t.field({
    type: CreateProjectSuccess,
    description: 'Makes an empty project of the customer. Needs ADMIN.',
    authScopes: { admin: true },
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: { input: t.arg({ type: CreateProjectInput, required: true, description: 'What it is made from.' }) },
    resolve: async (_root, { input }, ctx) => ({ project: await createProject(ctx.deps, actorOf(ctx), input) }),
  }),
);
