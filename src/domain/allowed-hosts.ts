/** Which hosts an operator lets outgoing calls reach although the general rule refuses them. */
import ipaddr from 'ipaddr.js';

/** One entry of the list: a name, or a range of addresses; `port` null for every port. */
export type AllowedHost =
  | { readonly name: string; readonly port: number | null }
  | { readonly range: readonly [ipaddr.IPv4 | ipaddr.IPv6, number]; readonly port: number | null };

const ENTRY = /^(?:\[([0-9A-Fa-f:./]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/;
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;

/** The entry that a text stands for: `name`, `address`, `range/bits`, each also with `:port`; null when it is none. */
export function parseAllowedHost(text: string): AllowedHost | null {
  // Without brackets the colons of IPv6 could not be told from that of a port, so a bare one has no port.
  if (ipaddr.isValidCIDR(text)) return { range: ipaddr.parseCIDR(text), port: null };
  if (isAddress(text)) return { range: wholeAddress(text), port: null };
  const [, bracketed, plain, digits] = ENTRY.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? null : Number(digits);
  if (host === undefined || port === 0 || (port ?? 0) > 65_535) return null;
  if (ipaddr.isValidCIDR(host)) return { range: ipaddr.parseCIDR(host), port };
  if (isAddress(host)) return { range: wholeAddress(host), port };
  const name = host.toLowerCase();
  return NAME.test(name) && !/^[0-9.]+$/.test(name) ? { name, port } : null;
}

/** Whether an entry takes in a host by its name and port. */
export const allowsName = (entry: AllowedHost, name: string, port: number): boolean =>
  'name' in entry && entry.name === name.toLowerCase() && (entry.port ?? port) === port;

/** Whether an entry takes in an address and port. */
export const allowsAddress = (entry: AllowedHost, address: ipaddr.IPv4 | ipaddr.IPv6, port: number): boolean =>
  'range' in entry &&
  (entry.port ?? port) === port &&
  entry.range[0].kind() === address.kind() &&
  address.match(entry.range[0], entry.range[1]);

// `isValid` also takes `127.1` and numbers, which no operator means as an address.
const isAddress = (text: string): boolean => ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);

function wholeAddress(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
