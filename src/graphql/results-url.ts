/** The link to an execution's results. */
import { LIMITS } from '../domain/limits.ts';
import type { ResultsFormat } from '../services/export-results.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const ResultsFormatEnum = builder.enumType('ResultsFormat', {
  description: 'How results are written.',
  values: {
    JSONL: { description: 'JSON Lines: one item a line, as a JSON object.' },
    ZIP: {
      description:
        'A ZIP archive: `items/<ordinal>.json` for each item, as its line in JSON Lines, and its artifacts with content below `artifacts/<ordinal>/`, each named by its place in the list and its filename. Not compressed in itself; a client that takes gzip gets it so.',
    },
    CSV: {
      description:
        'CSV with a header; what is JSON is in its cells as JSON text. A cell that starts with =, +, - or @ gets an apostrophe in front, so that no spreadsheet runs it.',
    },
  } satisfies { [format in ResultsFormat]: { description: string } },
});

builder.objectFields(ExecutionType, (t) => ({
  resultsUrl: t.string({
    description: `Where to read all items in input order, as a path on this service: complete once the execution has ended, what there is before. The link works without a key for ${LIMITS.resultsUrlMinutes} minutes, as long as the key that asked for it is valid; without its \`token\` it takes the usual headers. \`?after=<ordinal>\` goes on behind an item.`,
    args: {
      format: t.arg({
        type: ResultsFormatEnum,
        required: true,
        defaultValue: 'JSONL',
        description: 'How they are written.',
      }),
      corrected: t.arg.boolean({
        required: true,
        defaultValue: false,
        description:
          'Whether `data` is the corrected data where there is any; each item then says in `correction` which correction that is, null for none.',
      }),
    },
    resolve: ({ id }, { format, corrected }, ctx) => {
      const token = ctx.deps.resultLinks.sign(actorOf(ctx), id, ctx.deps.now());
      return `/executions/${id}/results.${format.toLowerCase()}?token=${token}${corrected ? '&corrected=true' : ''}`;
    },
  }),
}));
