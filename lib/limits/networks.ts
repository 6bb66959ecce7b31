import { isIPv4, isIPv6 } from 'node:net';

/** An IP address as a whole number, and how many bits it has. */
export interface Address {
  readonly family: 'ipv4' | 'ipv6';
  readonly value: bigint;
}

const IPV6_GROUPS = 8;
const GROUP_BITS = 16n;
/** `::ffff:0:0/96` (RFC 4291 2.5.5.2): an IPv4 address in the spelling of IPv6. */
const MAPPED_PREFIX = 0xffffn;
const IPV4_BITS = 32n;
const BITS = { ipv4: 32, ipv6: 128 } as const;
/** What one customer of a provider has: an IPv4 address, or a /64 of IPv6 (RFC 6177). */
const CUSTOMER_PREFIX = { ipv4: 32, ipv6: 64 } as const;

/** `null` for text that is no IP address. A zone (`fe80::1%eth0`) is left out; an IPv4-mapped address is its IPv4 address. */
export function parseAddress(text: string): Address | null {
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  if (isIPv4(address)) return { family: 'ipv4', value: numberOf(address.split('.'), 10, 8n) };
  if (!isIPv6(address)) return null;
  const value = numberOf(groupsOf(address), 16, GROUP_BITS);
  return value >> IPV4_BITS === MAPPED_PREFIX
    ? { family: 'ipv4', value: value & 0xffff_ffffn }
    : { family: 'ipv6', value };
}

/** The name of the network that an address belongs to, such as `ipv4/24/c0000200`. */
export function networkOf({ family, value }: Address, prefix: number): string {
  const hostBits = BigInt(BITS[family] - prefix);
  return `${family}/${prefix}/${((value >> hostBits) << hostBits).toString(16)}`;
}

/** The name of the smallest network that one customer has. */
export function customerNetworkOf(address: Address): string {
  return networkOf(address, CUSTOMER_PREFIX[address.family]);
}

function numberOf(parts: readonly string[], radix: number, bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) + BigInt(Number.parseInt(part, radix)), 0n);
}

/** The eight groups of an IPv6 address. The URL parser spells each address in one way (RFC 5952), without dots. */
function groupsOf(address: string): string[] {
  const [head = [], tail = []] = new URL(`http://[${address}]`).hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: IPV6_GROUPS - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail];
}
