import { afterEach, describe, expect, test } from 'vitest';
import { call, endpointOf, errorOf, outgoingTo, SECRET, stopAll, withKey } from '../support/http-agent-calls.ts';
import { sendJson } from '../support/http-endpoint.ts';

afterEach(stopAll);

describe('a redirect', () => {
  test('is followed as fetch says, with the headers only within the origin', async () => {
    const other = await endpointOf((_request, response) => sendJson(response, 200, 'there'));
    const { url, requests } = await endpointOf((request, response) => {
      const [status, location = '/end'] =
        { '/a': [307], '/b': [303], '/c': [308, `${other.url}/end`], '/d': [302] }[request.path] ?? [];
      if (status === undefined) return sendJson(response, 200, 'here');
      return response.writeHead(Number(status), { location: String(location) }).end();
    });
    const keyed = ['x-api-key', 'User-Agent', 'Accept', 'Accept-Language'];
    const headers = [...withKey.headers, ...keyed.map((name) => ({ name, value: { secret: 'key' } }))];
    expect(await call({ url: `${url}/a`, headers })).toBe('here');
    expect(await call({ url: `${url}/b`, headers })).toBe('here');
    expect(await call({ url: `${url}/d`, headers })).toBe('here');
    expect(await call({ url: `${url}/c`, headers })).toBe('there');
    const ends = requests.filter(({ path }) => path === '/end');
    expect(ends.map(({ method, text }) => [method, text !== ''])).toEqual([
      ...[
        ['POST', true],
        ['GET', false],
        ['GET', false],
      ],
    ]);
    for (const { headers: sent } of ends) expect(sent.authorization).toBe(`Bearer ${SECRET}`);
    expect(other.requests[0]).toMatchObject({ method: 'POST', body: { tier: 1 } });
    expect(other.requests[0]?.headers).toMatchObject({ 'idempotency-key': 'exec_1:0:3:1' });
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(JSON.stringify(other.requests)).not.toContain(SECRET.slice(0, 6));
  });

  test('that goes on and on, or to no URL of http, is a permanent error', async () => {
    const { url } = await endpointOf((request, response) =>
      response.writeHead(302, { location: request.path === '/x' ? 'file:///etc/passwd' : '/again' }).end(),
    );
    expect(await errorOf({ url, maxRedirects: 2 })).toMatchObject({ code: 'too_many_redirects', declared: false });
    expect(await errorOf({ url: `${url}/x` })).toMatchObject({ code: 'redirect_refused', declared: false });
  });

  test('to a private address is refused like a first call', async () => {
    const inside = await endpointOf((_request, response) => sendJson(response, 200, 'internal'));
    const front = await endpointOf((_request, response) => response.writeHead(307, { location: inside.url }).end());
    // Only the front's own port is allowed.
    const error = await errorOf({ url: front.url }, outgoingTo([`127.0.0.1:${front.port}`]));
    expect(error).toMatchObject({ category: 'DEPENDENCY', code: 'address_refused', declared: false });
    expect(error.message).toContain('the loopback of this machine');
    expect(inside.requests).toEqual([]);
  });
});

test('a port of another protocol is refused for good', async () => {
  expect(await errorOf({ url: 'https://127.0.0.1:25/' })).toMatchObject({ code: 'url_refused', declared: false });
});

describe('an address that is not public', () => {
  const refused: [string, RegExp][] = [
    ['http://127.0.0.1:8080/', /loopback/],
    ['http://127.1:8080/', /loopback/],
    ['http://0x7f000001:8080/', /loopback/],
    ['http://2130706433:8080/', /loopback/],
    ['http://0177.0.0.1:8080/', /loopback/],
    ['http://[::1]:8080/', /loopback/],
    ['http://[::ffff:10.0.0.1]:8080/', /RFC 1918/],
    ['https://10.1.2.3/', /RFC 1918/],
    ['https://172.31.0.1/', /RFC 1918/],
    ['https://192.168.1.1/', /RFC 1918/],
    ['https://169.254.169.254/latest', /link-local/],
    ['https://100.64.0.1/', /NAT/],
    ['https://0.0.0.0/', /unspecified/],
    ['https://[fd00::1]/', /RFC 4193/],
    ['https://[fe80::1]/', /link-local/],
    ['https://[64:ff9b::7f00:1]/', /reserved/],
    ['https://[64:ff9b:1::a00:1]/', /reserved/],
    ['https://[2002:7f00:1::]/', /reserved/],
    ['https://[::2]/', /not assigned/],
  ];
  test.each(refused)('%s is refused with the rule', async (url, rule) => {
    const error = await errorOf({ url }, outgoingTo([]));
    expect(error).toMatchObject({ category: 'DEPENDENCY', code: 'address_refused', transient: false, declared: false });
    expect(error.message).toMatch(rule);
    expect(error.message).toContain('BATCHYARD_ALLOW_PRIVATE_HOSTS');
  });

  test('is refused behind a name too, also if only one of its addresses is private', async () => {
    const names = {
      ...{ 'inner.example': ['192.168.0.7'], 'half.example': ['93.184.216.34', '10.0.0.1'] },
      'mapped.example': ['::ffff:10.0.0.1'],
    };
    for (const host of Object.keys(names)) {
      const error = await errorOf({ url: `https://${host}/` }, outgoingTo([], names));
      expect(error).toMatchObject({ code: 'address_refused', declared: false });
      expect(error.message).toContain(host);
      expect(error.message).not.toMatch(/192\.168|10\.0/);
    }
    expect(await errorOf({ url: 'https://nowhere.example/' }, outgoingTo([]))).toMatchObject({
      ...{ category: 'NETWORK', code: 'ENOTFOUND', transient: true },
    });
  });

  test('is refused when a name changes to it between two calls', async () => {
    const { url, port, requests } = await endpointOf((_request, response, no) => {
      response.setHeader('connection', 'close');
      sendJson(response, 200, no);
    });
    const names: Record<string, string[]> = { 'rebind.example': ['127.0.0.1'] };
    const outgoing = outgoingTo([`127.0.0.1:${port}`], names);
    const config = { url: url.replace('127.0.0.1', 'rebind.example') };
    expect(await call(config, outgoing)).toBe(1);
    names['rebind.example'] = ['127.0.0.2'];
    expect(await errorOf(config, outgoing)).toMatchObject({ code: 'address_refused' });
    expect(requests).toHaveLength(1);
  });

  test('is reached when the operator allows it by name, address or range; plain http needs that everywhere', async () => {
    const { url, port } = await endpointOf((_request, response) => sendJson(response, 200, 'here'));
    const names = { 'model.internal': ['127.0.0.1'], 'public.example': ['93.184.216.34'] };
    const named = { url: url.replace('127.0.0.1', 'model.internal') };
    for (const allowed of ['model.internal', `model.internal:${port}`, '127.0.0.0/8', '127.0.0.1'])
      expect(await call(named, outgoingTo([allowed], names))).toBe('here');
    for (const allowed of ['model.internal:1', 'other.internal', '128.0.0.0/8', '::1'])
      expect(await errorOf(named, outgoingTo([allowed], names))).toMatchObject({ code: 'address_refused' });
    expect(await errorOf({ url: 'http://public.example/' }, outgoingTo([], names))).toMatchObject({
      ...{ code: 'plain_http_refused', category: 'DEPENDENCY', declared: false },
    });
  });
});
