/** Loads the run function of any stored agent version, once per process. */
import { pathToFileURL } from 'node:url';
import type { AgentRun } from '../domain/agent-context.ts';
import { findVersionSource } from '../store/agents.ts';
import type { Db } from '../store/database.ts';
import { reasonOf } from './agent-file-error.ts';
import { AgentUnavailableError } from './agent-unavailable.ts';
import { readModule } from './module-shape.ts';
import type { SourceCache } from './source-cache.ts';

/** A version that can be run. */
export interface LoadedAgent {
  readonly versionId: string;
  readonly name: string;
  readonly run: AgentRun;
}

/** Gives the run function of a version; throws AgentUnavailableError when it cannot be run any more. */
export type LoadAgent = (versionId: string) => Promise<LoadedAgent>;

const IMPORT_DEADLINE_MS = 10_000;
const FAILURE_KEPT_MS = 5_000;

/**
 * A loader over the stored sources.
 *
 * A version is imported once and kept. A failure is kept for some seconds, so that thousands of items do not each
 * import the module again; then it is tried anew, because what it needs may be back.
 */
export function createLoader(db: Db, cache: SourceCache): LoadAgent {
  const loading = new Map<string, Promise<LoadedAgent>>();
  let imports = 0;

  async function load(versionId: string): Promise<LoadedAgent> {
    const version = await findVersionSource(db, versionId);
    if (version === null) throw new AgentUnavailableError(versionId, 'it is not stored');
    try {
      if (version.source === null) throw new Error('its source is not stored');
      const file = pathToFileURL(await cache.fileOf(version.contentHash, version.source));
      // Node keeps a failed import by its URL and would only throw the same again.
      imports += 1;
      file.searchParams.set('import', String(imports));
      const { run } = readModule(await withinDeadline(import(file.href)));
      return { versionId, name: version.agentName, run };
    } catch (error) {
      throw new AgentUnavailableError(versionId, reasonOf(error));
    }
  }

  return (versionId) => {
    const known = loading.get(versionId);
    if (known !== undefined) return known;
    const loaded = load(versionId);
    loading.set(versionId, loaded);
    loaded.catch(() => setTimeout(() => loading.delete(versionId), FAILURE_KEPT_MS).unref());
    return loaded;
  };
}

async function withinDeadline(imported: Promise<unknown>): Promise<unknown> {
  const { promise, reject } = Promise.withResolvers<never>();
  const deadline = setTimeout(() => reject(new Error('it did not finish importing in time')), IMPORT_DEADLINE_MS);
  try {
    return await Promise.race([imported, promise]);
  } finally {
    clearTimeout(deadline);
  }
}
