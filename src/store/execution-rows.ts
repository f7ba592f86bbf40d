/** Reading an execution's row: the columns of a domain Execution, and the query all readers start from. */
import type { Execution } from '../domain/model.ts';
import type { Db } from './database.ts';
import { type Blanks, frequent } from './statement-name.ts';

/** Executions with their customer, as domain objects; callers add where, order and limit. */
export function selectExecution(db: Db) {
  return db
    .selectFrom('batchExecution as x')
    .innerJoin('project as p', 'p.id', 'x.projectId')
    .select([
      'x.id',
      'p.customerId',
      'x.projectId',
      'x.definitionId',
      'x.name',
      'x.metadata',
      'x.inputOverrides',
      'x.spec',
      'x.inputDatasourceId',
      'x.outputDatasourceId',
      'x.rerunOf',
      'x.status',
      'x.revision',
      'x.round',
      'x.concurrency',
      'x.retryLimit',
      'x.total',
      'x.queued',
      'x.running',
      'x.retrying',
      'x.succeeded',
      'x.failed',
      'x.cancelled',
      'x.expired',
      'x.deadlineAt',
      'x.priority',
      'x.toleratedFailures',
      'x.toleratedFailurePercent',
      'x.sampleSize',
      'x.pauseReason',
      'x.tokenBudget',
      'x.costBudget',
      'x.waitReason',
      'x.waitUntil',
      'x.sealedAt',
      'x.roundOpenedAt',
      'x.roundClosedBase',
      'x.lastActivityAt',
      'x.createdAt',
      'x.startedAt',
      'x.endedAt',
      'x.cancelRequestedAt',
      'x.cancelMode',
      'x.cancelReason',
      'x.error',
      'x.tierCounts',
      'x.tierEnteredAt',
      'x.tierLeftAt',
    ]);
}

/** The execution with this id in the project, or undefined when there is none that the project may see. */
export async function findExecution(db: Db, projectId: string, id: string): Promise<Execution | undefined> {
  const [execution] = await executionOf(db, { projectId, id });
  return execution;
}

const executionOf = frequent('findExecution', (db, { projectId, id }: Blanks<{ projectId: string; id: string }>) =>
  selectExecution(db).where('x.id', '=', id).where('x.projectId', '=', projectId),
);
