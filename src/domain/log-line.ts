/** A choice among the lines that agents logged. */
import type { LogLevel } from './model.ts';

/** Which lines to list; what is absent or null does not restrict, an empty list matches nothing. */
export interface LogFilter {
  readonly ordinal?: readonly number[] | null | undefined;
  readonly tier?: readonly number[] | null | undefined;
  readonly level?: readonly LogLevel[] | null | undefined;
}
