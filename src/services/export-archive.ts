/** The results of an execution as the files of an archive, item by item in input order. */
import type { Actor } from '../domain/model.ts';
import { newestResults } from '../store/item-output-reads.ts';
import { type ExportChoice, exportedRows, objectOf } from './export-results.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** A file of an archive. */
export interface ArchiveEntry {
  readonly name: string;
  readonly input: string | Uint8Array<ArrayBuffer>;
  readonly lastModified: Date;
}

const ORDINAL_DIGITS = 8;
const NAME_LENGTH = 150;

/**
 * One JSON file for each item, followed by its artifacts that have content. Needs READER.
 *
 * In memory is one page of items, and the artifacts of one item.
 */
export async function* archiveEntries(
  { db, now }: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  executionId: string,
  choice: ExportChoice,
): AsyncGenerator<ArchiveEntry, void> {
  requireRole(actor, 'READER');
  const startedAt = now();
  for await (const rows of exportedRows(db, actor, executionId, choice)) {
    for (const row of rows) {
      const place = String(row.ordinal).padStart(ORDINAL_DIGITS, '0');
      const lastModified = row.endedAt ?? startedAt;
      yield { name: `items/${place}.json`, input: `${objectOf(executionId, row, choice)}\n`, lastModified };
      if (row.artifacts === null) continue;
      const [result] = await newestResults(db, actor.projectId, [{ executionId, ordinal: row.ordinal }]);
      for (const [index, { filename, content }] of (result?.artifacts ?? []).entries()) {
        if (content === null) continue;
        const name = `artifacts/${place}/${index}-${safeName(filename)}`;
        yield { name, input: Uint8Array.from(Buffer.from(content, 'base64')), lastModified };
      }
    }
  }
}

/** A filename that stays in its folder and that every system takes: an agent chose it. */
const safeName = (filename: string): string =>
  filename
    .replace(/[^\p{L}\p{N} ()._-]/gu, '_')
    .slice(-NAME_LENGTH)
    .toWellFormed()
    .replace(/[. ]+$/, '_');
