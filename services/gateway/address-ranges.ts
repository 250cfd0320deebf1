/**
 * Address ranges — a list such as `10.0.0.0/8,2001:db8::/32,192.0.2.7`, asked about addresses.
 *
 * An IPv4 address in IPv6 form (`::ffff:…`, as a socket for both kinds shows it) counts as IPv4.
 * Cost: linear in the list, once per accepted connection.
 */
import ipaddr from 'ipaddr.js';
import { Fault } from '#base';

type Range = [address: ipaddr.IPv4 | ipaddr.IPv6, prefixBits: number];

const IPV4_BITS = 32;
const IPV6_BITS = 128;

export class AddressRanges {
  readonly #ranges: readonly Range[];

  /** Throws Fault WEIR_CONFIG that names the variable and the entry. */
  constructor(list: string, variable: string) {
    const entries = list.split(',').map((entry) => entry.trim());
    this.#ranges = entries.map((entry) => {
      const range = parseRange(entry);
      if (range !== undefined) return range;
      const says = `${variable}: ${JSON.stringify(entry)} is no address and no address/bits`;
      throw new Fault('WEIR_CONFIG', says);
    });
  }

  /** False for what is no address. */
  has(address: string | undefined): boolean {
    if (address === undefined || !ipaddr.isValid(address)) return false;
    const asked = ipaddr.process(address);
    return this.#ranges.some((range) => range[0].kind() === asked.kind() && asked.match(range));
  }
}

function parseRange(entry: string): Range | undefined {
  if (entry.includes('/')) return ipaddr.isValidCIDR(entry) ? ipaddr.parseCIDR(entry) : undefined;
  // The four-part form only: one number or hexadecimal parts are slips of the pen here.
  if (!ipaddr.IPv4.isValidFourPartDecimal(entry) && !ipaddr.IPv6.isValid(entry)) return undefined;
  const address = ipaddr.process(entry);
  return [address, address.kind() === 'ipv4' ? IPV4_BITS : IPV6_BITS];
}
