/** Customers: who the service works for. */
import type { Customer } from '../domain/model.ts';
import { AlreadyExistsError, ValidationError } from '../domain/user-error.ts';
import { createCustomer } from '../services/create-customer.ts';
import { getCustomer, listCustomers, listProjects } from '../services/read-tenancy.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';
import { Node, registerNode } from './node.ts';
import { byProjectCreation, ProjectConnection, ProjectType } from './project.ts';

export const CustomerType = builder.objectRef<Customer>('Customer').implement({
  description: 'Who the service works for; owns projects and API keys.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `cust_…`.' }),
    slug: t.exposeString('slug', { description: 'The unique name for the header `X-Tenant-ID`.' }),
    name: t.exposeString('name', { description: 'The name for people.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    projects: t.connection(
      {
        type: ProjectType,
        description: 'Its projects, oldest first. Needs ADMIN.',
        authScopes: { admin: true },
        complexity: pageCost,
        resolve: async (customer, args, ctx) => {
          const page = keysetArgs(args, byProjectCreation);
          // Whoever sees the customer may list its projects, also an operator that works in another one.
          const actor = { ...actorOf(ctx), customerId: customer.id };
          return toConnection(await listProjects(ctx.deps, actor, page), page, byProjectCreation);
        },
      },
      ProjectConnection,
    ),
  }),
});

registerNode('Customer', CustomerType, (ctx, actor, id) => getCustomer(ctx.deps, actor, id));

const byCreation = ordering<Customer>(
  'customers.oldest',
  { instant: (row) => row.createdAt },
  { text: (row) => row.id },
);
const CustomerConnection = connectionOf(CustomerType, 'Customer');

builder.queryField('customers', (t) =>
  t.connection(
    {
      type: CustomerType,
      description: 'All customers, oldest first. Needs OPERATOR.',
      authScopes: { operator: true },
      complexity: pageCost,
      resolve: async (_root, args, ctx) => {
        const page = keysetArgs(args, byCreation);
        return toConnection(await listCustomers(ctx.deps, actorOf(ctx), page), page, byCreation);
      },
    },
    CustomerConnection,
  ),
);

const CreateCustomerInput = builder.inputType('CreateCustomerInput', {
  description: 'What a new customer is made from.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'The name for people, 1-200 characters.' }),
    slug: t.string({ description: 'A unique name of 1-64 of a-z, 0-9 and hyphens; made from `name` by default.' }),
  }),
});

const CreateCustomerSuccess = builder
  .objectRef<Awaited<ReturnType<typeof createCustomer>>>('CreateCustomerSuccess')
  .implement({
    description: 'The customer was made.',
    fields: (t) => ({
      customer: t.expose('customer', { type: CustomerType, description: 'The new customer.' }),
      project: t.expose('project', { type: ProjectType, description: 'Its first project, named `default`.' }),
    }),
  });

builder.mutationField('createCustomer', (t) =>
  t.field({
    type: CreateCustomerSuccess,
    description: 'Makes a customer with a first project. Needs OPERATOR.',
    authScopes: { operator: true },
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: { input: t.arg({ type: CreateCustomerInput, required: true, description: 'What it is made from.' }) },
    resolve: (_root, { input }, ctx) => createCustomer(ctx.deps, actorOf(ctx), input),
  }),
);
