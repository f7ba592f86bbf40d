import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { createProgress, type ProgressState } from '../../src/cli/progress.ts';

const state = (percent: number, values: Partial<ProgressState> = {}): ProgressState => ({
  ...{ status: 'RUNNING', percent, total: 200, closed: percent * 2, failed: 0, retrying: 0, itemsPerSecond: null },
  ...values,
});

function output(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, write: (text: string) => written.push(text), written };
}

test('a terminal gets one line that is drawn over itself and never wraps', () => {
  const out = output(true, 60);
  const progress = createProgress(out);
  progress.show(state(0));
  progress.show(state(50, { itemsPerSecond: 12.4, failed: 3, retrying: 2 }));
  progress.end();
  expect(out.written.every((text) => text.startsWith('\r') || text === '\n')).toBe(true);
  const last = stripVTControlCharacters(out.written[1] ?? '').replace('\r', '');
  expect(last).toBe(`${'█'.repeat(15)}${'░'.repeat(15)}  50% · 100 of 200 · running `.slice(0, 59));
  expect(out.written.at(-1)).toBe('\n');
});

test('plain output gets a line for each tenth and each status, without control characters', () => {
  const out = output(false);
  const progress = createProgress(out);
  for (let percent = 0; percent <= 100; percent += 1) progress.show(state(percent));
  progress.show(state(100, { status: 'COMPLETED_WITH_ERRORS', failed: 7, itemsPerSecond: 99.6 }));
  progress.end();
  expect(out.written).toHaveLength(12);
  expect(out.written.at(-1)).toBe('100% · 200 of 200 · completed with errors · 100/s · 7 failed\n');
  expect(stripVTControlCharacters(out.written.join(''))).toBe(out.written.join(''));
});
