/**
 * Egress guard — event deliveries reach the public internet and nothing else (SSRF).
 *
 * Rule:  https, no credentials in the URL, and every address of the host is global unicast: a name
 *        that resolves to a single private, loopback, link-local, carrier or translated address is
 *        refused. The check is the connection's own look-up, so a name cannot resolve to something
 *        else afterwards; a literal address is checked from the URL, since it is never looked up.
 * Off:   `allowPrivate` (WEIR_ROUTER_ALLOW_PRIVATE) lets every address and plain http through: for
 *        development clusters and closed networks.
 */
import { lookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** IPv6 addresses that are routed publicly; the rest of "unicast" is unassigned or historic. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/** Error code of a refused connection. */
export const EGRESS_FORBIDDEN = 'WEIR_EGRESS_FORBIDDEN';

/** Whether an address text is one that deliveries may go to. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_V6);
}

/** Why the URL may not be called; undefined when it may, subject to the addresses of its host. */
export function urlFault(url: string, allowPrivate: boolean): string | undefined {
  if (!URL.canParse(url)) return 'not a URL';
  const { protocol, username, password, hostname } = new URL(url);
  if (protocol !== 'https:' && !(allowPrivate && protocol === 'http:')) return 'not https';
  if (username !== '' || password !== '') return 'credentials in the URL';
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  if (allowPrivate || isIP(literal) === 0) return undefined;
  return isPublicAddress(literal) ? undefined : 'address is not public';
}

export type ResolveAll = (
  hostname: string,
  onAddresses: (fault: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

function systemResolve(
  hostname: string,
  onAddresses: (fault: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
): void {
  lookup(hostname, { all: true }, onAddresses);
}

/** A look-up for `net.connect` that gives public addresses or an error with EGRESS_FORBIDDEN. */
export function guardedLookup(
  allowPrivate: boolean,
  resolve: ResolveAll = systemResolve,
): LookupFunction {
  return (hostname, options, onLookup) => {
    resolve(hostname, (fault, addresses) => {
      const first = addresses?.[0];
      if (fault !== null || first === undefined) {
        const missing = Object.assign(new Error(`${hostname} has no address`), {
          code: 'ENOTFOUND',
        });
        onLookup(fault ?? missing, '', 0);
      } else if (!allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) {
        const message = `${hostname} has an address that is not public`;
        onLookup(Object.assign(new Error(message), { code: EGRESS_FORBIDDEN }), '', 0);
      } else if (options.all === true) onLookup(null, addresses);
      else onLookup(null, first.address, first.family);
    });
  };
}
