/** Where a folder datasource is on disk. */
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { folderPathProblem, normalFolderPath } from '../domain/folder-path.ts';
import type { Db } from '../store/database.ts';
import { findProjectFolders } from '../store/datasources.ts';
import { SourceError } from './source-error.ts';

/** Finds folders of projects. */
export interface FolderRoots {
  /**
   * The real path of a folder below the project's own.
   *
   * Throws SourceError: `folders_not_configured` without a root for all projects, `folder_not_found` when the
   * folder is missing, is no folder, or lies outside the project's behind a link.
   */
  locate(projectId: string, folderPath: string): Promise<string>;
}

const REMEMBER_MS = 5_000;

/**
 * Folder roots below `foldersDir`: `<foldersDir>/<project id>`, else `<foldersDir>/<project slug>`.
 *
 * Only the operator writes in `foldersDir`, so a project's folder may itself be a link. The slug counts only while
 * no other customer's project has the same one, or that project would read this one's files.
 */
export function createFolderRoots(db: Db, foldersDir: string | null): FolderRoots {
  const names = new Map<string, { at: number; candidates: Promise<readonly string[]> }>();

  function candidatesOf(projectId: string): Promise<readonly string[]> {
    const known = names.get(projectId);
    if (known !== undefined && performance.now() - known.at < REMEMBER_MS) return known.candidates;
    const candidates = findProjectFolders(db, projectId);
    names.set(projectId, { at: performance.now(), candidates });
    candidates.catch(() => names.delete(projectId));
    return candidates;
  }

  return {
    async locate(projectId, folderPath) {
      if (foldersDir === null) {
        throw new SourceError(
          'folders_not_configured',
          'This service has no folders: BATCHYARD_FOLDERS_DIR is not set.',
        );
      }
      const root = await firstFolder(foldersDir, await candidatesOf(projectId));
      if (root === null || folderPathProblem(folderPath) !== null) throw folderNotFound(folderPath);
      const folder = await realFolder(path.join(root, normalFolderPath(folderPath)));
      if (folder === null || (folder !== root && !folder.startsWith(root + path.sep))) throw folderNotFound(folderPath);
      return folder;
    },
  };
}

async function firstFolder(foldersDir: string, names: readonly string[]): Promise<string | null> {
  for (const name of names) {
    const folder = await realFolder(path.join(foldersDir, name));
    if (folder !== null) return folder;
  }
  return null;
}

/** The real path of a folder; null when there is none. */
async function realFolder(folder: string): Promise<string | null> {
  try {
    const real = await realpath(folder);
    return (await stat(real)).isDirectory() ? real : null;
  } catch {
    return null;
  }
}

const folderNotFound = (folderPath: string): SourceError =>
  new SourceError('folder_not_found', `The project has no folder ${JSON.stringify(folderPath.slice(0, 200))}.`);
