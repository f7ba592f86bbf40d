/** What the services need of the parts that do I/O outside the database; `src/app.ts` fills them. */
import type { ZodType } from 'zod';
import type { IdMaker } from '../domain/ids.ts';
import type {
  Actor,
  Agent,
  AgentVersion,
  DataElement,
  Datasource,
  StoredAgentKind,
  StoredDocument,
} from '../domain/model.ts';
import type { OutputChecker } from '../domain/output-rules.ts';
import type { InputFilters } from '../domain/spec.ts';
import type { Db } from '../store/database.ts';
import type { SecretBox } from '../store/secret-box.ts';
import type { ExecutionFeed } from './execution-feed.ts';
import type { Loc } from './issue-list.ts';
import type { ListFeed } from './list-feed.ts';

/** Finds agents by what a user wrote, and checks configs against their schemas. */
export interface AgentCatalog {
  /** The newest version of the agent with this id or name that the project may use; null when there is none. */
  resolve(projectId: string, reference: string): Promise<{ agent: Agent; version: AgentVersion } | null>;
  /** Every problem of a config against the version's schema, as messages with JSON Pointers; empty when it fits. */
  configProblems(versionId: string, config: unknown): Promise<readonly { path: string; message: string }[]>;
  /** Why a tier's userMessage cannot be used by this version, to follow its place; null when it can. */
  messageProblem(versionId: string, message: string): Promise<string | null>;
  /** The rules of the config that an agent of this kind is stored with. */
  configOf(kind: StoredAgentKind): ZodType;
  /** The JSON Schemas in such a config, each with its place: those rules leave them to the `outputs`. */
  schemasIn(kind: StoredAgentKind, config: unknown): readonly { path: Loc; schema: unknown }[];
  /** Looks for new, changed and removed module files, so that a list shows what is there now. */
  refresh(): Promise<void>;
  /** Module files that could not be loaded, for operators. */
  problems(): readonly { file: string; reason: string }[];
}

/** A run of elements in the datasource's order, and where to go on: null after the last one. */
export interface ElementChunk {
  readonly elements: readonly DataElement[];
  /** The cursor behind each element: where a page that ends with it goes on. */
  readonly cursors: readonly string[];
  readonly cursor: string | null;
}

/** Lists and reads the elements of any kind of datasource. */
export interface ElementSources {
  /**
   * One page of the elements that match, after an opaque cursor (null: from the start).
   *
   * `readerId` is the execution that is to read them: it takes no rows that came after it was created, and never
   * reads results of itself or of later ones.
   */
  page(
    datasource: Datasource,
    filters: InputFilters,
    after: string | null,
    limit: number,
    readerId?: string,
  ): Promise<ElementChunk>;
  /** How many elements there are. */
  count(datasource: Datasource): Promise<number>;
  /** One element without its content, or null. */
  find(datasource: Datasource, elementId: string): Promise<DataElement | null>;
  /** The documents of an element as they are now. Throws an object with code `element_not_found` when it is gone. */
  read(
    datasource: Datasource,
    elementId: string,
  ): Promise<{ documents: readonly StoredDocument[]; contentHash: string }>;
  /** Whether a file or folder is at a path relative to an element's own: `AgentItem.exists`. */
  exists(datasource: Datasource, elementId: string, path: string): Promise<boolean | null>;
}

/**
 * Fetches a document by its URL; `mediaType` is null where the server does not tell it.
 *
 * Throws an object with `code`, `category` and what else an item's error needs, or the signal's reason.
 */
export type FetchDocument = (
  url: string,
  maxBytes: number,
  signal: AbortSignal | null,
) => Promise<{ readonly bytes: Buffer; readonly mediaType: string | null }>;

/** What the services tell the engine, after their commit. */
export interface EngineControl {
  /** An execution was created, retried or cancelled: look at its row. Returns at once. */
  wake(executionId: string): void;
  /** A pause or a cancel was committed: start nothing more of it here. In force when it returns. */
  hold(executionId: string): void;
}

/**
 * Tells that an execution has a newer revision; called after its commit, never before.
 *
 * `ends`, where it is known: the revision is a final state.
 */
export type Publish = (executionId: string, revision: number, ends?: boolean) => void;

/** Makes tokens for the results of single executions, and checks them. */
export interface ResultLinks {
  /** A token for one execution, good for `LIMITS.resultsUrlMinutes` and as long as the actor's key. */
  sign(actor: Actor, executionId: string, now: Date): string;
  /** Who signed a token for this execution, with the right to read; null when it is not good, or not any more. */
  open(token: string, executionId: string, now: Date): Actor | null;
}

export interface ServiceDeps {
  readonly db: Db;
  readonly newId: IdMaker;
  readonly now: () => Date;
  readonly agents: AgentCatalog;
  readonly outputs: OutputChecker;
  readonly sources: ElementSources;
  readonly engine: EngineControl;
  readonly publish: Publish;
  readonly feed: ExecutionFeed;
  readonly lists: Pick<ListFeed, 'open' | 'head'>;
  readonly resultLinks: ResultLinks;
  readonly secretBox: SecretBox;
}
