/** Making datasources: of a folder's files, empty ones whose elements are added by calls, and those of results. */
import { z } from 'zod';
import { folderPathProblem, globProblem, normalFolderPath } from '../domain/folder-path.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Datasource } from '../domain/model.ts';
import { AlreadyExistsError } from '../domain/user-error.ts';
import { findDatasourceIdByName, insertDatasource } from '../store/datasources.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';
import { displayName } from './tenant-names.ts';

const about = { name: displayName, description: storableString(LIMITS.messageLength).nullish() };
const storedSchema = z.object(about);
const folderSchema = z.object({
  ...about,
  path: ruled(folderPathProblem).nullish(),
  glob: ruled(globProblem).nullish(),
});

/** What a datasource whose elements are added by calls, or are results, is made from. */
export type CreateStoredDatasourceInput = z.input<typeof storedSchema>;
/** What a datasource of a folder's files is made from. */
export type CreateFolderDatasourceInput = z.input<typeof folderSchema>;

type Deps = Pick<ServiceDeps, 'db' | 'newId' | 'now' | 'sources'>;

/** A new datasource without elements. Needs MEMBER; throws ValidationError, or AlreadyExistsError for a taken name. */
export async function createStoredDatasource(
  deps: Deps,
  actor: Actor,
  input: CreateStoredDatasourceInput,
): Promise<Datasource> {
  return await createNamed(deps, actor, 'STORED', input);
}

/**
 * A new datasource for the results of executions that name it.
 *
 * Needs MEMBER; throws ValidationError, or AlreadyExistsError for a taken name.
 */
export async function createResultsDatasource(
  deps: Deps,
  actor: Actor,
  input: CreateStoredDatasourceInput,
): Promise<Datasource> {
  return await createNamed(deps, actor, 'RESULTS', input);
}

async function createNamed(
  deps: Deps,
  actor: Actor,
  kind: 'STORED' | 'RESULTS',
  input: CreateStoredDatasourceInput,
): Promise<Datasource> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const checked = issues.check(storedSchema, input, ['input']);
  issues.throwIfAny();
  return await store(deps, actor, { kind, folder: null, ...nameOf(checked) });
}

/**
 * A new datasource of the files below a folder of the project.
 *
 * Needs MEMBER; throws ValidationError (also when the folder is not there now), or AlreadyExistsError for a taken
 * name. What files it has is looked up whenever it is read.
 */
export async function createFolderDatasource(
  deps: Deps,
  actor: Actor,
  input: CreateFolderDatasourceInput,
): Promise<Datasource> {
  requireRole(actor, 'MEMBER');
  const issues = new IssueList();
  const checked = issues.check(folderSchema, input, ['input']);
  const folder = { path: normalFolderPath(checked?.path ?? ''), glob: checked?.glob ?? '**' };
  const datasource = { kind: 'FOLDER' as const, folder, ...nameOf(checked) };
  if (issues.isEmpty) await checkFolder(deps, datasourceOf(deps, actor, datasource), issues);
  issues.throwIfAny();
  return await store(deps, actor, datasource);
}

async function checkFolder(deps: Deps, datasource: Datasource, issues: IssueList): Promise<void> {
  try {
    await deps.sources.page(datasource, { elementIds: [] }, null, 1);
  } catch (error) {
    if (!(error instanceof Error && Reflect.get(error, 'transient') === false)) throw error;
    issues.add(['input', 'path'], 'not_found', error.message);
  }
}

type Essentials = Pick<Datasource, 'kind' | 'folder' | 'name' | 'description'>;

const datasourceOf = ({ newId, now }: Deps, { projectId }: Actor, essentials: Essentials): Datasource => ({
  id: newId('Datasource'),
  projectId,
  createdAt: now(),
  ...essentials,
});

async function store(deps: Deps, actor: Actor, essentials: Essentials): Promise<Datasource> {
  const datasource = datasourceOf(deps, actor, essentials);
  if (await insertDatasource(deps.db, { ...datasource, contentHash: null })) return datasource;
  const existing = await findDatasourceIdByName(deps.db, actor.projectId, datasource.name);
  throw new AlreadyExistsError('datasource', datasource.name, existing);
}

const nameOf = (checked: z.output<typeof storedSchema> | undefined) => ({
  name: checked?.name ?? '',
  description: checked?.description ?? null,
});

function ruled(problemOf: (text: string) => string | null) {
  return z.string().superRefine((text, ctx) => {
    const problem = problemOf(text);
    if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
  });
}
