import { expect, test } from 'vitest';
import { createRedactor } from '../../src/agents/redact.ts';
import { processorMs } from '../support/processor-time.ts';

test('every form of a secret is taken out, the longest first, wherever it is in a value', () => {
  const secrets = ['top/secret$&(value', 'top/secret$&(value-2', 'a.b+c*d?', 'long-secret'.repeat(400)];
  const { text, json } = createRedactor(secrets);
  for (const secret of secrets) {
    const forms = [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)];
    for (const form of forms) expect(text(`<${form}>`)).toMatch(/^<\[secret\]=*>$/);
    expect(json({ [secret]: [{ deep: `x${secret}y` }, 7, null] })).toEqual({
      '[secret]': [{ deep: 'x[secret]y' }, 7, null],
    });
  }
  expect(text('axb+c*d?')).toBe('axb+c*d?');
});

test('an answer of very many texts is gone through in no time, however many secrets there are', () => {
  const { json } = createRedactor(Array.from({ length: 50 }, (_, no) => `secret/value+${no}`));
  const started = processorMs();
  json(Array.from({ length: 200_000 }, (_, no) => `some-text-${no}`));
  expect(processorMs() - started).toBeLessThan(1_500);
});
