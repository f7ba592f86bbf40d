import { registerHooks } from 'node:module';
import { expect, test } from 'vitest';
import { createOutgoing } from '../../src/agents/net/outgoing.ts';

const LIMITS = {
  ...{ connections: 1, connectTimeoutMs: 1_000, headersTimeoutMs: 1_000, bodyTimeoutMs: 1_000 },
  maxRedirects: 0,
} as const;

test('a fetch whose first call could not load what it needs loads it with the next', async () => {
  let refused = 0;
  const hooks = registerHooks({
    load(url, context, nextLoad) {
      if (refused > 0 || !url.endsWith('/safe-fetch.ts')) return nextLoad(url, context);
      refused += 1;
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    },
  });
  try {
    const outgoing = createOutgoing([]);
    const fetch = outgoing.openFetch(LIMITS);
    await expect(fetch('ftp://example.com/')).rejects.toMatchObject({ code: 'EMFILE' });
    await expect(fetch('ftp://example.com/')).rejects.toMatchObject({ code: 'url_refused' });
    expect(refused).toBe(1);
    await outgoing.stop();
  } finally {
    hooks.deregister();
  }
});
