/** Summaries of what was measured. */

/** The middle one; of an even number the lower middle, which was really measured. NaN for none. */
export const median = (numbers: readonly number[]): number => percentile(numbers, 50);

/** The smallest of the numbers that at least `percent` of them do not exceed. NaN for none. */
export function percentile(numbers: readonly number[], percent: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}

/** With thousands apart, e.g. `12,345`. */
export const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** Bytes as whole megabytes. */
export const megabytes = (bytes: number): string => `${whole(bytes / 1_000_000)} MB`;
