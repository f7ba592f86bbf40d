/** Where the results of an execution go: to a named datasource of results, or to one of its own. */
import type { Actor, Datasource } from '../domain/model.ts';
import type { OutputConfig } from '../domain/spec.ts';
import { ValidationError } from '../domain/user-error.ts';
import type { Db, Tx } from '../store/database.ts';
import { findDatasource, insertDatasource, keepDatasource } from '../store/datasources.ts';
import type { IssueList, Loc } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';

/** An output as a caller writes it. */
export interface OutputInput {
  readonly datasourceId?: string | null | undefined;
}

/** The named output that an input amounts to; undefined when it names none, or with the problem noted. */
export async function checkOutput(
  db: Db,
  { projectId }: Actor,
  output: OutputInput | null | undefined,
  loc: Loc,
  issues: IssueList,
): Promise<OutputConfig | undefined> {
  const datasourceId = output?.datasourceId;
  if (datasourceId == null) return undefined;
  const datasource = await findDatasource(db, projectId, datasourceId);
  const at = [...loc, 'datasourceId'];
  if (datasource === null) issues.add(at, 'not_found', goneMessage(datasourceId));
  else if (datasource.kind !== 'RESULTS') {
    issues.add(at, 'datasource_kind', `is a datasource of kind ${datasource.kind}; results go to one of kind RESULTS`, {
      kind: datasource.kind,
    });
  }
  return { datasourceId };
}

/** Notes the problem of an execution that would write to what it reads. */
export function refuseLoop(
  inputId: string | null | undefined,
  output: OutputConfig | undefined,
  loc: Loc,
  issues: IssueList,
): void {
  if (output === undefined || output.datasourceId !== inputId) return;
  issues.add(loc, 'conflict', 'is the datasource that the elements come from');
}

/**
 * The id of the datasource that gathers an execution's results: the named one, kept from being deleted until the
 * transaction ends, or a new one of the execution's own.
 *
 * Throws ValidationError when the named one has been deleted meanwhile.
 */
export async function obtainOutput(
  tx: Tx,
  deps: Pick<ServiceDeps, 'newId' | 'now'>,
  { projectId }: Actor,
  executionId: string,
  output: OutputConfig | undefined,
): Promise<string> {
  if (output !== undefined) {
    // No foreign key keeps it: see the migration.
    await mustKeepOutput(tx, projectId, output, ['input']);
    return output.datasourceId;
  }
  const datasource: Datasource = {
    ...{ id: deps.newId('Datasource'), projectId, kind: 'EXECUTION_RESULTS', name: `results-of-${executionId}` },
    ...{ description: null, folder: null, createdAt: deps.now() },
  };
  await insertDatasource(tx, { ...datasource, contentHash: null });
  return datasource.id;
}

/** Keeps a named output from being deleted until the transaction ends. Throws ValidationError when it is gone. */
export async function mustKeepOutput(
  tx: Tx,
  projectId: string,
  { datasourceId }: OutputConfig,
  loc: Loc,
): Promise<void> {
  if (await keepDatasource(tx, projectId, datasourceId)) return;
  throw new ValidationError([{ loc, msg: goneMessage(datasourceId), type: 'not_found' }]);
}

const goneMessage = (id: string): string => `There is no datasource ${JSON.stringify(id.slice(0, 80))}.`;
