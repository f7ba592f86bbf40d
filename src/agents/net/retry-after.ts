/** The wait that a `Retry-After` header asks for, in ms, given as seconds or as a date; null when it asks for none. */
export function retryAfterMs(headers: Headers, now: Date): number | null {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1_000;
  // A date has the name of a day; `Date.parse` would make something of almost anything.
  const at = /^[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}
