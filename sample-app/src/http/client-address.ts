import { isIPv4, isIPv6 } from 'node:net';

import type { HttpRequest } from './http.js';

/** All clients whose address is unknown share one party: what a proxy writes instead may differ with each request. */
const UNKNOWN = 'unknown';

/**
 * The party behind a request that is not signed in. A customer of an IPv6 provider has a whole /64 network, so that the
 * full address would be a new one for every request.
 */
export function clientAddress({ ip = '' }: HttpRequest): string {
  const [address = ''] = withoutPort(ip).split('%');
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  if (isIPv6(address)) return networkOf(address);
  return isIPv4(address) ? address : UNKNOWN;
}

/** Some proxies write the port of the connection too, by which each connection would be a party of its own. */
function withoutPort(ip: string): string {
  const [, v6, v4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(ip) ?? [];
  return v6 ?? v4 ?? ip;
}

/** The first four of the eight groups of an IPv6 address. */
function networkOf(address: string): string {
  const [head = '', tail] = address.toLowerCase().split('::');
  const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  // An IPv4 address at the end stands for two groups.
  const written = before.length + after.length + (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? 0 : 8 - written;
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
