import { type Diagnosis, diagnose } from '../domain/diagnosis.ts';
import type { DiagnosisFacts } from '../domain/diagnosis-facts.ts';
import type { Actor, Execution, Item } from '../domain/model.ts';
import { countInterrupted, groupFailures, readLaneFacts } from '../store/diagnosis-reads.ts';
import { listItems } from '../store/item-reads.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** Most groups of failures that a diagnosis tells apart. */
export const MAX_FAILURE_GROUPS = 50;
/** Failed items that a diagnosis shows. */
export const FAILED_SAMPLE = 10;

/** The verdict and what it rests on. */
export interface ExecutionDiagnosis extends Diagnosis {
  readonly facts: DiagnosisFacts;
  readonly executionId: string;
  readonly at: Date;
}

/** Why an execution is as it is now, counted when asked for. Needs READER. */
export async function diagnoseExecution(
  { db, now }: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  execution: Execution,
): Promise<ExecutionDiagnosis> {
  requireRole(actor, 'READER');
  const { projectId } = actor;
  const { id: executionId, failed } = execution;
  const failures = failed === 0 ? [] : await groupFailures(db, projectId, executionId, MAX_FAILURE_GROUPS);
  const lanes = await readLaneFacts(db, projectId, executionId);
  // Nothing can have been interrupted where no process died.
  const interruptedItems = lanes.takeovers === 0 ? 0 : await countInterrupted(db, projectId, executionId);
  const facts = { ...lanes, failures, interruptedItems };
  const at = now();
  return { ...diagnose(execution, facts, at), facts, executionId, at };
}

/** The first failed items of an execution in input order. */
export async function sampleFailures(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  executionId: string,
): Promise<Item[]> {
  const page = { after: null, backward: false, limit: FAILED_SAMPLE };
  const items = await listItems(db, actor.projectId, executionId, { status: ['FAILED'] }, page);
  return items.slice(0, FAILED_SAMPLE);
}
