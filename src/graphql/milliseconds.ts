/** Lengths of time as the schema has them. */

const MAX_INT = 2_147_483_647;

/** Milliseconds from one instant to another, 0 where a clock was set back, at most what an Int holds; null unless both are known. */
export const millisecondsOf = (from: Date | null, to: Date | null): number | null =>
  from === null || to === null ? null : Math.min(Math.max(to.getTime() - from.getTime(), 0), MAX_INT);
