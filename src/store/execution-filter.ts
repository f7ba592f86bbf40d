/** Which executions a list holds, as conditions of its query. */
import { type SelectQueryBuilder, sql } from 'kysely';
import type { ExecutionStatus } from '../domain/states.ts';
import { anyOf } from './any-of.ts';
import type { Database } from './tables.ts';

/** What a place in the metadata must be; `equals` is any JSON value. */
export interface MetadataMatch {
  /** The keys to go down by; a number is an index where there is an array. */
  readonly path: readonly string[];
  readonly equals: unknown;
}

/** Which executions to list; what is absent or null does not restrict, an empty list matches nothing. */
export interface ExecutionFilter {
  readonly status?: readonly ExecutionStatus[] | null | undefined;
  readonly definitionId?: string | null | undefined;
  /** The name of a definition: any version of it. */
  readonly definitionName?: string | null | undefined;
  /** The datasource that is read. */
  readonly datasourceId?: string | null | undefined;
  readonly outputDatasourceId?: string | null | undefined;
  /** An agent's id or name: any version of it, in any tier. */
  readonly agent?: string | null | undefined;
  /** A part of the name; upper and lower case alike. */
  readonly name?: string | null | undefined;
  readonly createdAfter?: Date | null | undefined;
  readonly createdBefore?: Date | null | undefined;
  readonly startedAfter?: Date | null | undefined;
  readonly startedBefore?: Date | null | undefined;
  readonly endedAfter?: Date | null | undefined;
  readonly endedBefore?: Date | null | undefined;
  /** JSON that the metadata contains, as jsonb's `@>` has it. */
  readonly metadata?: unknown;
  readonly metadataAt?: readonly MetadataMatch[] | null | undefined;
}

/** The tables of a query over executions. */
export type ExecutionTables = Database & { x: Database['batchExecution']; p: Database['project'] };
type Query<O> = SelectQueryBuilder<ExecutionTables, 'x' | 'p', O>;

/** The query narrowed to the project's executions that a filter takes. */
export function filtered<O>(query: Query<O>, projectId: string, filter: ExecutionFilter): Query<O> {
  let some = query.where('x.projectId', '=', projectId);
  if (filter.status != null) some = some.where('x.status', '=', anyOf(filter.status));
  if (filter.definitionId != null) some = some.where('x.definitionId', '=', filter.definitionId);
  if (filter.definitionName != null) some = ofDefinition(some, projectId, filter.definitionName);
  if (filter.datasourceId != null) some = some.where('x.inputDatasourceId', '=', filter.datasourceId);
  if (filter.outputDatasourceId != null) some = some.where('x.outputDatasourceId', '=', filter.outputDatasourceId);
  if (filter.agent != null) some = ofAgent(some, filter.agent);
  if (filter.name != null) some = some.where(sql<number>`strpos(lower(x.name), lower(${filter.name}))`, '>', 0);
  if (filter.metadata != null) some = some.where(contains(filter.metadata));
  for (const { path, equals } of filter.metadataAt ?? []) {
    some = some.where(sql<boolean>`x.metadata::jsonb #> ${path}::text[] = ${JSON.stringify(equals)}::jsonb`);
    // What is there is contained, which an index can find; but in an array the path goes by places.
    if (!path.some((key) => /^-?\d+$/.test(key))) some = some.where(contains(nested(path, equals)));
  }
  return within(some, filter);
}

function within<O>(query: Query<O>, filter: ExecutionFilter): Query<O> {
  let some = query;
  if (filter.createdAfter != null) some = some.where('x.createdAt', '>', filter.createdAfter);
  if (filter.createdBefore != null) some = some.where('x.createdAt', '<', filter.createdBefore);
  if (filter.startedAfter != null) some = some.where('x.startedAt', '>', filter.startedAfter);
  if (filter.startedBefore != null) some = some.where('x.startedAt', '<', filter.startedBefore);
  if (filter.endedAfter != null) some = some.where('x.endedAt', '>', filter.endedAfter);
  if (filter.endedBefore != null) some = some.where('x.endedAt', '<', filter.endedBefore);
  return some;
}

// Raw: an array, which the planner reads first; it would join the definitions to every execution instead.
const ofDefinition = <O>(query: Query<O>, projectId: string, name: string): Query<O> =>
  query.where(
    sql<boolean>`x.definition_id = any(array(
      select d.id from batch_definition d where d.project_id = ${projectId} and d.name = ${name}))`,
  );

// Raw: the tiers are inside the spec.
const ofAgent = <O>(query: Query<O>, agent: string): Query<O> =>
  query.where(
    sql<boolean>`exists (select 1 from json_array_elements(x.spec -> 'tiers') as tier
      where ${agent} in (tier ->> 'agentId', tier ->> 'agentName'))`,
  );

/** Written as the index has it, so that it is found by it. */
const contains = (value: unknown) => sql<boolean>`x.metadata::jsonb @> ${JSON.stringify(value)}::jsonb`;

const nested = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
