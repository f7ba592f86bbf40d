/**
 * Which addresses outgoing calls may reach: public ones over https, and what the operator's list adds.
 *
 * Asked when a connection is made, with the addresses that it will use: a name that resolves to something else the
 * next time (DNS rebinding) and a redirect are checked like the first call.
 */
import ipaddr from 'ipaddr.js';
import { type AllowedHost, allowsAddress, allowsName } from '../../domain/allowed-hosts.ts';
import { OutgoingError } from './outgoing-error.ts';

/** Where a connection is about to go. */
export interface Target {
  readonly protocol: string;
  /** The name or address in the URL. */
  readonly host: string;
  readonly port: number;
}

/** Throws OutgoingError, naming the rule, unless a connection to all of these addresses is allowed. */
export type AddressGuard = (target: Target, addresses: readonly string[]) => void;

const SETTING = 'BATCHYARD_ALLOW_PRIVATE_HOSTS';

/** The guard that goes by an operator's list. */
export function createAddressGuard(allowed: readonly AllowedHost[]): AddressGuard {
  return ({ protocol, host, port }, addresses) => {
    if (allowed.some((entry) => allowsName(entry, host, port))) return;
    for (const text of addresses) {
      // `process` takes the IPv4 address out of one that is mapped into IPv6.
      const address = ipaddr.process(text);
      if (allowed.some((entry) => allowsAddress(entry, address, port))) continue;
      const range = rangeOf(address);
      // The address itself is not told: whoever wrote the URL may not see what this network's names resolve to.
      if (range !== null) {
        throw new OutgoingError(
          'address_refused',
          `${JSON.stringify(host)} is not reached: its address is ${range}. An operator can allow it by ${SETTING}.`,
        );
      }
      if (protocol === 'http:') {
        throw new OutgoingError(
          'plain_http_refused',
          `${JSON.stringify(host)} is reached by https only. An operator can allow http by ${SETTING}.`,
        );
      }
    }
  };
}

/** Words for a range that is not the public internet's; null for a public address. */
function rangeOf(address: ipaddr.IPv4 | ipaddr.IPv6): string | null {
  const range = address.range();
  if (range !== 'unicast') return WORDS[range] ?? `in a reserved range (${range})`;
  // The rest of ::/8 belongs to no one, and 2000::/3 is all that is handed out.
  return address instanceof ipaddr.IPv6 && !address.match(ipaddr.IPv6.parseCIDR('2000::/3')) ? 'not assigned' : null;
}

const WORDS: Readonly<Record<string, string>> = {
  private: 'private (RFC 1918)',
  loopback: 'the loopback of this machine',
  linkLocal: 'link-local',
  carrierGradeNat: 'behind a carrier-grade NAT (RFC 6598)',
  uniqueLocal: 'private (RFC 4193)',
  unspecified: 'unspecified',
  multicast: 'multicast',
  broadcast: 'a broadcast',
};
