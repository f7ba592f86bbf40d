/** The GraphiQL page and the one-time link that gives it a key. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootstrap } from '../../src/services/bootstrap.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { databaseDeps, dig, post, startTestServer, type TestServer } from '../support/server.ts';

let database: FreshDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await freshEmbedded();
  await bootstrap(databaseDeps(database.db), null);
  server = await startTestServer(database.db);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const exchange = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const tokenOf = (link: string): string | null => new URLSearchParams(new URL(link).hash.slice(1)).get('token');

describe('a one-time link', () => {
  test('gives a MEMBER key of the first project for 12 hours, exactly once', async () => {
    const token = tokenOf(server.loginLink());
    const answers = await Promise.all([exchange({ token }), exchange({ token }), exchange({ token })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const { key, expiresAt } = ((await answers.find(({ ok }) => ok)?.json()) ?? {}) as {
      key: string;
      expiresAt: string;
    };
    expect(Date.parse(expiresAt) - server.clock.now.getTime()).toBe(12 * 3_600_000);
    const answer = await post(server, key, '{ viewer { role project { slug } } }');
    expect(dig(answer.data, 'viewer')).toEqual({ role: 'MEMBER', project: { slug: 'default' } });
    server.clock.now = new Date(expiresAt);
    expect((await post(server, key, '{ __typename }')).status).toBe(401);
  });

  test('has its token in the fragment, which browsers keep to themselves, and never in the log', () => {
    const link = new URL(server.loginLink());
    expect(`${link.origin}${link.pathname}`).toBe(`${server.url}/graphql`);
    expect(link.search).toBe('');
    expect(server.log.join('')).not.toContain(tokenOf(link.href));
  });

  test.each([
    ['no token', {}],
    ['a wrong token', { token: 'x' }],
    ['rubbish', '{'],
    ['an object', { token: {} }],
  ])('is not replaced by %s', async (_name, body) => {
    expect((await exchange(body)).status).toBe(401);
  });

  test('cannot be used by a page of another origin, and is not used up by its attempt', async () => {
    const token = tokenOf(server.loginLink());
    expect((await exchange({ token }, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await exchange({ token }, { origin: server.url })).status).toBe(200);
  });

  test('is exchanged by POST alone', async () => {
    expect((await fetch(`${server.url}/session`)).status).toBe(405);
  });
});

describe('the GraphiQL page', () => {
  const page = () => fetch(`${server.url}/graphql`, { headers: { accept: 'text/html,*/*' } });

  test('is open to all, carries no key, and may load and call nothing but this server', async () => {
    const response = await page();
    expect(response.status).toBe(200);
    const html = await response.text();
    expect(html).not.toMatch(/by_[a-z0-9]{8}_/);
    expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target]) => target)).toEqual([
      'data:,',
      '/graphiql/graphiql.css',
      '/graphiql/page.css',
      '/graphiql/graphiql.js',
      '/graphiql/page.js',
    ]);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy.match(/https?:/)).toBeNull();
  });

  test('finds all that it loads, and a browser need not load it twice', async () => {
    for (const name of [
      'graphiql.js',
      'graphiql.css',
      'page.js',
      'page.css',
      'tabs.json',
      'json.js',
      'graphql.js',
      'editorWorkerService.js',
    ]) {
      const response = await fetch(`${server.url}/graphiql/${name}`);
      expect(response.status).toBe(200);
      expect((await response.arrayBuffer()).byteLength).toBe(Number(response.headers.get('content-length')));
      const again = await fetch(`${server.url}/graphiql/${name}`, {
        headers: { 'if-none-match': response.headers.get('etag') ?? '' },
      });
      expect(again.status).toBe(304);
    }
    expect((await fetch(`${server.url}/graphiql/other.js`)).status).toBe(404);
  });

  test('can be taken away', async () => {
    const other = await startTestServer(database.db, { graphiql: false });
    expect((await fetch(`${other.url}/graphql`, { headers: { accept: 'text/html' } })).status).toBe(401);
    expect((await fetch(`${other.url}/graphiql/graphiql.js`)).status).toBe(404);
    await other.stop();
  });
});
