/** The frozen inputs of items. */
import { sql } from 'kysely';
import type { Datasource, DocumentName } from '../domain/model.ts';
import { findDatasource } from './datasources.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** What was listed of an item's element when it was frozen. */
export interface InputRow {
  readonly ordinal: number;
  readonly elementId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  readonly documentNames: readonly DocumentName[] | null;
}

/** The inputs of these items, in no order. */
export async function readInputs(db: Db, executionId: string, ordinals: readonly number[]): Promise<readonly InputRow[]> {
  return await named(db, 'readInputs')
    .selectFrom('batchItemInput')
    .select(['ordinal', 'elementId', 'filename', 'mediaType', 'metadata', 'documentNames'])
    .where('executionId', '=', executionId)
    // One array instead of a parameter each.
    .where(sql<boolean>`ordinal = any(${ordinals}::int[])`)
    .execute();
}

/** The datasource that an execution reads, or null when there is no such execution. */
export async function findExecutionDatasource(db: Db, executionId: string): Promise<Datasource | null> {
  const row = await named(db, 'findExecutionDatasource')
    .selectFrom('batchExecution')
    .select(['projectId', 'inputDatasourceId'])
    .where('id', '=', executionId)
    .executeTakeFirst();
  return row === undefined ? null : await findDatasource(db, row.projectId, row.inputDatasourceId);
}
