/** Schemas that do not come to an end: the check is ended, and nobody else waits for it. */
import { afterAll, expect, test } from 'vitest';
import { createOutputChecker } from '../../src/agents/output/output-checker.ts';
import type { OutputRules } from '../../src/domain/tier-output.ts';

const checker = createOutputChecker({ timeoutMs: 2_000 });
afterAll(() => checker.stop());

const codes = async (rules: OutputRules, data: unknown) =>
  (await checker.misses(rules, { data: JSON.stringify(data), artifacts: null })).fieldErrors.map(({ code }) => code);
const PLAIN = { outputSchema: { type: 'object' } };

test('a schema that never ends is ended, not tried again at once, and delays nobody else', async () => {
  const $defs: Record<string, unknown> = { s0: { type: 'string' } };
  for (let n = 1; n <= 40; n += 1) {
    $defs[`s${n}`] = { anyOf: [{ $ref: `#/$defs/s${n - 1}` }, { $ref: `#/$defs/s${n - 1}` }] };
  }
  const rules = { outputSchema: { $defs, $ref: '#/$defs/s40' } };
  expect(await checker.schemaProblems(rules.outputSchema)).toEqual([]);
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
  }, 10);
  const [hostile, other] = await Promise.all([codes(rules, 1), codes(PLAIN, 1)]);
  clearInterval(ticking);
  expect([hostile, other]).toEqual([['output_check_failed'], ['type']]);
  expect(ticks, 'the thread of the service went on').toBeGreaterThan(20);
  const before = performance.now();
  // Not the fault of this result: another attempt may find it checked.
  expect(await codes(rules, 1)).toEqual(['output_check_unavailable']);
  expect(performance.now() - before).toBeLessThan(1_000);
  expect(await codes(PLAIN, {})).toEqual([]);
});

test('a schema that refers to itself without an end is a miss, not a crash', async () => {
  expect(await codes({ outputSchema: { allOf: [{ $ref: '#' }] } }, 1)).toEqual(['output_check_failed']);
});
