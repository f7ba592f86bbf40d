/** The whole schema: importing a type file adds its types, queries, mutations and subscriptions. */
import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import './scalars.ts';
import './errors.ts';
import './node.ts';
import './agent.ts';
import './api-key.ts';
import './batch-definition-executions.ts';
import './batch-definition.ts';
import './batch-draft.ts';
import './batch-execution-links.ts';
import './batch-execution-updated.ts';
import './batch-execution-usage.ts';
import './batch-executions.ts';
import './batch-input-preview.ts';
import './cancel-batch-execution.ts';
import './change-batch-definition.ts';
import './change-agent.ts';
import './change-batch-draft.ts';
import './change-datasource.ts';
import './correct-batch-item.ts';
import './create-batch-execution.ts';
import './customer.ts';
import './delete-batch-execution.ts';
import './limits-query.ts';
import './pause-batch-execution.ts';
import './project.ts';
import './rerun-batch-execution.ts';
import './resubmit-batch-execution.ts';
import './results-url.ts';
import './retry-failed-items.ts';
import './secret.ts';
import './update-batch-execution.ts';
import './update-project.ts';
import './viewer.ts';

/** Builds the executable schema from every type file. */
export const buildSchema = (): GraphQLSchema => builder.toSchema();
