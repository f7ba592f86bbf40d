/** The tables of drafts and of deletions, as Kysely sees them (see `tables.ts`). */
import type { Generated } from 'kysely';

/** The set of items of an execution that was made as a draft. */
export interface BatchDraftTable {
  executionId: string;
  itemCount: Generated<number>;
  /** Every index below is there; there may be more from here on. */
  nextIndex: Generated<number>;
  /** Of the item count, those that were taken out again; their indexes are in `batchDraftGap`. */
  removedCount: Generated<number>;
}

/** An index of a draft whose item was taken out. */
export interface BatchDraftGapTable {
  executionId: string;
  index: number;
}

/** An execution or a datasource whose own row is gone; what hung on it is swept, in chunks. */
export interface DeletionTable {
  id: string;
  projectId: string;
  kind: 'EXECUTION' | 'DATASOURCE';
  deletedAt: Date;
  /** When nothing of it was left; null before. */
  sweptAt: Date | null;
}

/** The last number that a change of a project's executions has. */
export interface ProjectChangeTable {
  projectId: string;
  change: number;
}

/** Where an execution stands among the changes of its project, for whoever follows a list. */
export interface ListedChangeTable {
  id: string;
  projectId: string;
  change: number;
  /** The revision that was told of. */
  revision: number;
  /** Whether it had not ended at that revision: more is to come. */
  open: boolean;
  deleted: Generated<boolean>;
}
