/** How many items failed with an error, or with a kind of error. */
import type { ErrorCategory } from '../domain/item-error.ts';
import type { ErrorCount } from '../services/summarize-executions.ts';
import { ErrorCategoryEnum } from './batch-status.ts';
import { builder } from './builder.ts';

export const ErrorCountType = builder
  .objectRef<Pick<ErrorCount, 'category' | 'code' | 'count'>>('ErrorCount')
  .implement({
    description: 'How many failed items ended with one error.',
    fields: (t) => ({
      category: t.expose('category', { type: ErrorCategoryEnum, description: 'What kind of error it is.' }),
      code: t.exposeString('code', { description: 'The error for programs.' }),
      count: t.exposeInt('count', { description: 'Failed items whose last error it is.' }),
    }),
  });

export const ErrorCategoryCountType = builder
  .objectRef<{ readonly category: ErrorCategory; readonly count: number }>('ErrorCategoryCount')
  .implement({
    description: 'How many failed items ended with one kind of error.',
    fields: (t) => ({
      category: t.expose('category', { type: ErrorCategoryEnum, description: 'The kind of error.' }),
      count: t.exposeInt('count', { description: 'Failed items whose last error is of it.' }),
    }),
  });
