/** What agents logged, page by page. */
import type { LogFilter } from '../domain/log-line.ts';
import type { Actor } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import { listLogs as readPage, type StoredLogLine } from '../store/item-logs.ts';
import type { ServiceDeps } from './ports.ts';

export type { StoredLogLine } from '../store/item-logs.ts';

export interface ListLogsInput {
  readonly executionId: string;
  readonly filter: LogFilter;
  readonly page: Page;
}

/** The lines of one page in the order of writing, and one more if there are more. */
export async function listLogs(deps: ServiceDeps, actor: Actor, input: ListLogsInput): Promise<StoredLogLine[]> {
  return await readPage(deps.db, actor.projectId, input.executionId, input.filter, input.page);
}
