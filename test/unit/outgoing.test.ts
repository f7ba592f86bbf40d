import { expect, test } from 'vitest';
import { createOutgoing } from '../../src/agents/net/outgoing.ts';

const LIMITS = {
  ...{ connections: 1, connectTimeoutMs: 1_000, headersTimeoutMs: 1_000, bodyTimeoutMs: 1_000 },
  maxRedirects: 0,
} as const;

test('a fetch that is called for the first time after the stop goes nowhere', async () => {
  const looked: string[] = [];
  const outgoing = createOutgoing([], (hostname, callback) => {
    looked.push(hostname);
    callback(new Error('not part of this test'), []);
  });
  const fetch = outgoing.openFetch(LIMITS);
  await outgoing.stop();
  await expect(fetch('https://example.com/')).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' });
  expect(looked).toEqual([]);
});
