/** The GraphiQL page and everything it loads, from this server alone. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GRAPHIQL_TABS } from './graphiql-tabs.ts';

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

const PREFIX = '/graphiql/';

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <meta name="referrer" content="no-referrer">
    <title>Batchyard</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="${PREFIX}graphiql.css">
    <link rel="stylesheet" href="${PREFIX}page.css">
    <script src="${PREFIX}graphiql.js" defer></script>
    <script src="${PREFIX}page.js" type="module"></script>
  </head>
  <body><div id="root"></div><noscript>GraphiQL needs JavaScript.</noscript></body>
</html>
`;

/** Whether a request is a browser that wants to see the page. */
export const wantsPage = (request: IncomingMessage): boolean =>
  request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');

/** Sends the page. It carries no key, and its policy lets it load and call nothing but this server. */
export function sendGraphiqlPage(request: IncomingMessage, response: ServerResponse): void {
  // The host was checked before; it is spelled out since not every browser counts ws: under 'self'.
  const { host = '' } = request.headers;
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "worker-src 'self'",
      // The editor writes its styles into the page.
      "style-src 'self' 'unsafe-inline'",
      "font-src 'self' data:",
      "img-src 'self' data:",
      `connect-src 'self' ws://${host} wss://${host}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  });
  response.end(PAGE);
}

/** Sends what the page loads; `false` when the path is none of it. */
export async function sendGraphiqlAsset(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (!path.startsWith(PREFIX) || request.method !== 'GET') return false;
  const asset = (await loadAssets()).get(path.slice(PREFIX.length));
  if (asset === undefined) return false;
  const headers = { etag: asset.etag, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' };
  if (request.headers['if-none-match'] === asset.etag) {
    response.writeHead(304, headers).end();
    return true;
  }
  response.writeHead(200, { ...headers, 'content-type': asset.type, 'content-length': asset.body.byteLength });
  response.end(asset.body);
  return true;
}

let assets: Promise<ReadonlyMap<string, Asset>> | undefined;

/** Read when first asked for: GraphiQL takes nine megabytes that most processes never serve. */
function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  assets ??= readAssets();
  return assets;
}

async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const [graphiql, pageScript, pageStyle] = await Promise.all([
    import('@graphql-yoga/render-graphiql/graphiql'),
    readFile(new URL('browser/graphiql-page.js', import.meta.url), 'utf8'),
    readFile(new URL('browser/graphiql-page.css', import.meta.url), 'utf8'),
  ]);
  const script = 'text/javascript; charset=utf-8';
  const style = 'text/css; charset=utf-8';
  return new Map([
    ['graphiql.js', asset(script, graphiql.js)],
    ['graphiql.css', asset(style, graphiql.css)],
    ['editorWorkerService.js', asset(script, graphiql.editorWorkerService)],
    ['json.js', asset(script, graphiql.jsonWorker)],
    ['graphql.js', asset(script, graphiql.graphqlWorker)],
    ['page.js', asset(script, pageScript)],
    ['page.css', asset(style, pageStyle)],
    ['tabs.json', asset('application/json; charset=utf-8', JSON.stringify(GRAPHIQL_TABS))],
  ]);
}

function asset(type: string, text: string): Asset {
  const body = Buffer.from(text);
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
}
