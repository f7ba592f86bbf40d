import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { allowsAddress, allowsName, parseAllowedHost } from '../../src/domain/allowed-hosts.ts';

const allows = (entry: string, host: string, port = 443): boolean => {
  const parsed = parseAllowedHost(entry);
  if (parsed === null) throw new Error(entry);
  return ipaddr.isValid(host) ? allowsAddress(parsed, ipaddr.parse(host), port) : allowsName(parsed, host, port);
};

test('an entry is a name, an address or a range, each also with a port', () => {
  expect(allows('Model.Internal', 'model.internal')).toBe(true);
  expect(allows('model.internal', 'x.model.internal')).toBe(false);
  expect(allows('model.internal:11434', 'model.internal', 11_434)).toBe(true);
  expect(allows('model.internal:11434', 'model.internal', 80)).toBe(false);
  expect(allows('10.0.0.0/8', '10.255.0.1')).toBe(true);
  expect(allows('10.0.0.0/8', '11.0.0.1')).toBe(false);
  expect(allows('10.0.0.0/8:8080', '10.255.0.1', 8_080)).toBe(true);
  expect(allows('10.0.0.0/8:8080', '10.255.0.1', 80)).toBe(false);
  expect(allows('[fd00::/8]:8080', 'fd12::1', 8_080)).toBe(true);
  expect(allows('[fd00::/8]:8080', 'fd12::1', 80)).toBe(false);
  expect(allows('10.0.0.7', '10.0.0.7')).toBe(true);
  expect(allows('10.0.0.7', '10.0.0.8')).toBe(false);
  expect(allows('10.0.0.7:80', '10.0.0.7', 81)).toBe(false);
  expect(allows('fd00::/8', 'fd12::1')).toBe(true);
  expect(allows('[::1]:8080', '::1', 8_080)).toBe(true);
  expect(allows('::1', '::1', 8_080)).toBe(true);
  expect(allows('0.0.0.0/0', '::1')).toBe(false);
});

test.each([
  '',
  '*',
  'http://a',
  'a/b',
  '10.0.0.0/33',
  '10.0.0.0/33:80',
  '10.0.0.0/8:0',
  '10.0.0',
  '127.1',
  'a:0',
  'a:70000',
  '[::1',
  'a b',
])('%j is none', (text) => {
  expect(parseAllowedHost(text)).toBeNull();
});
