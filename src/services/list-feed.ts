/** The live feed of lists: streams of what changes in a project's executions, all of one list sharing its reads. */
import { setTimeout as delay } from 'node:timers/promises';
import { contentHash } from '../domain/json.ts';
import type { Execution } from '../domain/model.ts';
import type { Db } from '../store/database.ts';
import type { ExecutionFilter } from '../store/execution-filter.ts';
import { findListed } from '../store/execution-reads.ts';
import { type ChangePlace, findHeads, listChanges, type ProjectHead } from '../store/listed-changes.ts';
import { type ListPage, type ListReader, PlacedReader } from './list-reader.ts';

/** How often the numbers of watched projects are looked up, for changes that other nodes logged, in ms. */
const LOOK_MS = 1_000;
const PAGE = 50;

/** What a stream starts from. */
export interface ListRequest {
  readonly projectId: string;
  readonly filter: ExecutionFilter;
  /** The number that the client has; null: what comes from now on. One above the present number counts as 0. */
  readonly afterChange: number | null;
}

export interface ListFeed {
  open(request: ListRequest): Promise<ListReader>;
  /** The number that a project's changes have come to; 0 before the first. */
  head(projectId: string): Promise<number>;
  /** Projects have new numbers. */
  announce(heads: readonly ProjectHead[]): void;
  /** Streams that are open at the moment. */
  watched(): number;
  start(): void;
  /** Ends every stream; resolves when no look is under way. May be repeated. */
  stop(): Promise<void>;
}

interface Project {
  head: number;
  readonly readers: Set<PlacedReader>;
  /** Pages read at this head, by list and place: readers that are level share them. */
  readonly pages: Map<string, Promise<ListPage>>;
}

/** Makes the feed of one process. */
export function createListFeed(db: Db, onError: (error: unknown) => void): ListFeed {
  const projects = new Map<string, Project>();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<unknown> | null = null;
  let isStopped = false;

  const head = async (projectId: string): Promise<number> => (await findHeads(db, [projectId]))[0]?.change ?? 0;

  const announce = (heads: readonly ProjectHead[]): void => {
    for (const { projectId, change } of heads) {
      const project = projects.get(projectId);
      if (project === undefined || change <= project.head) continue;
      project.head = change;
      project.pages.clear();
      for (const reader of project.readers) reader.wake();
    }
  };

  const look = (): void => {
    if (projects.size === 0) return;
    looking ??= findHeads(db, [...projects.keys()])
      .then(announce)
      .catch(onError)
      .finally(() => {
        looking = null;
      });
  };

  // A database that is away for a while is no reason to end a stream.
  const patiently = async <T>(read: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await read();
      } catch (error) {
        onError(error);
        if (isStopped || projects.size === 0) throw error;
        await delay(LOOK_MS, undefined, { ref: false });
      }
    }
  };

  const readPage = async ({ projectId, filter }: ListRequest, after: ChangePlace): Promise<ListPage> => {
    const rows = await patiently(() => listChanges(db, projectId, after, PAGE));
    const changes = rows.slice(0, PAGE);
    const present = changes.filter(({ deleted }) => !deleted).map(({ id }) => id);
    const held = present.length === 0 ? [] : await patiently(() => findListed(db, projectId, filter, present));
    return { changes, hasMore: rows.length > PAGE, held: new Map(held.map((one: Execution) => [one.id, one])) };
  };

  const shared = (project: Project, key: string, request: ListRequest, after: ChangePlace): Promise<ListPage> => {
    const pageKey = `${key} ${after.change} ${after.id}`;
    const known = project.pages.get(pageKey) ?? readPage(request, after);
    project.pages.set(pageKey, known);
    // What was read serves those who are level now; a later one reads what is newer, and a failed one is not kept.
    const forget = () => void (project.pages.get(pageKey) === known && project.pages.delete(pageKey));
    known.then(forget, forget);
    return known;
  };

  return {
    head,
    announce,
    watched: () => [...projects.values()].reduce((sum, { readers }) => sum + readers.size, 0),
    async open(request) {
      const { projectId, filter, afterChange } = request;
      const present = await head(projectId);
      if (isStopped) throw new Error('The feed has stopped.');
      const project = projects.get(projectId) ?? { head: present, readers: new Set(), pages: new Map() };
      project.head = Math.max(project.head, present);
      projects.set(projectId, project);
      const key = contentHash(filter);
      const reader = new PlacedReader(
        {
          readPage: (after) => shared(project, key, request, after),
          head: () => project.head,
          onEnd: (ended) => {
            project.readers.delete(ended);
            if (project.readers.size === 0 && projects.get(projectId) === project) projects.delete(projectId);
          },
        },
        afterChange === null ? present : afterChange > present ? 0 : afterChange,
      );
      project.readers.add(reader);
      return reader;
    },
    start: () => {
      timer ??= setInterval(look, LOOK_MS).unref();
    },
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      for (const { readers } of [...projects.values()]) for (const reader of [...readers]) reader.end();
      await looking;
    },
  };
}
