/**
 * Loads the run function of any stored agent version, once per process.
 *
 * A module's function calls it in a thread, unless the module says `threaded: false`; that, and whether it can be
 * imported at all, is asked in a thread too. Built-in agents run in this thread, and so do those that a project
 * stored: their code is ours, made from the version's config.
 */
import { pathToFileURL } from 'node:url';
import type { AgentRun } from '../domain/agent-context.ts';
import { findVersionSource, type VersionSource } from '../store/agents.ts';
import type { Db } from '../store/database.ts';
import { AgentFileError, reasonOf } from './agent-file-error.ts';
import { AgentUnavailableError } from './agent-unavailable.ts';
import { readModule } from './module-shape.ts';
import { probeModule } from './probe.ts';
import type { SourceCache } from './source-cache.ts';
import type { CheckingAgentDeps } from './stored-agent.ts';
import { storedKind } from './stored-kinds.ts';
import type { AgentThreads } from './threads/agent-threads.ts';

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
/** Versions of projects' agents that are kept: each may hold megabytes, and any member can make more of them. */
const KEPT_MADE = 50;

/**
 * A loader over the stored sources.
 *
 * A version is imported once and kept; of those that projects made, the ones that were used last. A failure is kept
 * for some seconds, so that thousands of items do not each import the module again; then it is tried anew, because what
 * it needs may be back.
 */
export function createLoader(
  db: Db,
  cache: SourceCache,
  threads: AgentThreads,
  depsOf: (projectId: string) => CheckingAgentDeps,
): LoadAgent {
  const loading = new Map<string, Promise<LoadedAgent>>();
  /** Those that were made from a config, the one that was used longest ago first. */
  const made = new Set<string>();
  let imports = 0;

  async function stored(versionId: string): Promise<VersionSource> {
    const version = await findVersionSource(db, versionId);
    if (version === null) throw new AgentUnavailableError(versionId, 'it is not stored');
    return version;
  }

  /** The path of a file that has the version's source. Throws AgentUnavailableError. */
  async function locate(versionId: string, { contentHash, source }: VersionSource): Promise<string> {
    if (source === null) throw new AgentUnavailableError(versionId, 'its source is not stored');
    return await cache.fileOf(contentHash, source);
  }

  async function load(versionId: string): Promise<LoadedAgent> {
    // What the database or the disk throws says nothing of the agent, and passes as it is: it may be tried again.
    const version = await stored(versionId);
    const { agentName: name, kind, projectId, config } = version;
    const stores = storedKind(kind);
    if (stores !== null && projectId !== null) {
      keep(versionId);
      return { versionId, name, run: await stores.makeRun(config, depsOf(projectId)) };
    }
    const file = await locate(versionId, version);
    try {
      const threaded = kind === 'MODULE' && (await probeModule(file, IMPORT_DEADLINE_MS)).threaded;
      // A thread that comes later asks again: the file may have been changed or removed meanwhile.
      const url = async (): Promise<string> => pathToFileURL(await locate(versionId, await stored(versionId))).href;
      const run = threaded ? threads.runner({ versionId, name, url }) : await importHere(file);
      return { versionId, name, run };
    } catch (error) {
      if (error instanceof AgentFileError && error.mayPass) throw error;
      throw new AgentUnavailableError(versionId, reasonOf(error));
    }
  }

  /** Notes a use of a made version, and forgets another where there are too many: whoever runs that still has it. */
  function keep(versionId: string): void {
    made.delete(versionId);
    made.add(versionId);
    const [oldest] = made;
    if (made.size <= KEPT_MADE || oldest === undefined) return;
    made.delete(oldest);
    loading.delete(oldest);
  }

  async function importHere(file: string): Promise<AgentRun> {
    const url = pathToFileURL(file);
    // Node keeps a failed import by its URL and would only throw the same again.
    imports += 1;
    url.searchParams.set('import', String(imports));
    return readModule(await withinDeadline(import(url.href))).run;
  }

  return (versionId) => {
    const known = loading.get(versionId);
    if (known !== undefined && made.has(versionId)) keep(versionId);
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
