/** The mutation that changes a project. */
import { LIMITS } from '../domain/limits.ts';
import type { Project } from '../domain/model.ts';
import { NotFoundError, ValidationError } from '../domain/user-error.ts';
import { updateProject } from '../services/update-project.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { ProjectType } from './project.ts';

const { min, max } = LIMITS.retentionDays;

builder.objectFields(ProjectType, (t) => ({
  retentionDays: t.exposeInt('retentionDays', {
    nullable: true,
    description:
      "Days after their end at which its executions are deleted; null: the service's setting `BATCHYARD_RETENTION_DAYS`, without which they are kept.",
  }),
}));

const UpdateProjectInput = builder.inputType('UpdateProjectInput', {
  description: 'What to change of a project; what is absent stays as it is.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'The project, `proj_…`.' }),
    name: t.string({ description: 'The name for people, 1-200 characters.' }),
    retentionDays: t.int({
      description: `Days after their end at which executions are deleted, ${min}-${max}; explicit null goes back to the service's setting.`,
    }),
  }),
});

const UpdateProjectSuccess = builder.objectRef<{ readonly project: Project }>('UpdateProjectSuccess').implement({
  description: 'The change is committed.',
  fields: (t) => ({ project: t.expose('project', { type: ProjectType, description: 'The project as changed.' }) }),
});

builder.mutationField('updateProject', (t) =>
  t.field({
    type: UpdateProjectSuccess,
    description: 'Changes the name of a project, or how long its executions are kept. Needs ADMIN.',
    authScopes: { admin: true },
    errors: { types: [ValidationError, NotFoundError] },
    args: { input: t.arg({ type: UpdateProjectInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, ctx) => ({ project: await updateProject(ctx.deps, actorOf(ctx), input) }),
  }),
);
