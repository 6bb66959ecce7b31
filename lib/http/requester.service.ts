import { BlockList } from 'node:net';

import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { parseAddress, parseRequester } from '../limits/index.js';
import { callResolver, resolvedValue, type ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';

/** The members of an Express or Fastify request that contain the client's address. */
interface AddressedRequest {
  /** The client's address; behind a proxy that the application trusts, the address that the proxy reports. */
  readonly ip?: unknown;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  readonly socket?: { readonly remoteAddress?: unknown } | undefined;
}

/** Private networks. A proxy in front of the application may have such an address; a client on the internet has none. */
const PRIVATE_NETWORKS = [
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
] as const;

const REQUESTER = 'resolver limits.requester';

/** The headers by which proxies report the client (RFC 7239, and the usual ones before it). */
const PROXY_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip'];
const ADDRESS_WITH_PORT = /^\[([0-9a-f:.]{2,45})\](?::\d{1,5})?$|^([\d.]{7,15}):\d{1,5}$/i;

const UNTRUSTED_PROXY =
  'Requests come from a proxy with a private address, and the application does not trust it, so that all clients ' +
  "share the quota of unknown requesters: call app.set('trust proxy', ...) on Express, set trustProxy on Fastify, or " +
  'give limits.requester.';
const NO_ADDRESS =
  'Requests have no IP address, as over a Unix socket or behind a proxy that reports something else, so that all clients share the ' +
  'quota of unknown requesters: let the proxy report the address of the client and trust it, or give limits.requester.';

/** Determines the requester of a message over HTTP: the result of `limits.requester`, or the address of the request. */
@Injectable()
export class RequesterService {
  readonly #logger = new Logger('TwoFactorModule');
  readonly #private = new BlockList();
  readonly #warned = new Set<string>();

  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {
    for (const [address, prefix, family] of PRIVATE_NETWORKS) {
      this.#private.addSubnet(address, prefix, family);
    }
  }

  /**
   * The party that causes the call: the result of `limits.requester` or, without that option, the address of the request.
   *
   * @returns `undefined` when it is unknown. All unknown requesters share one quota.
   * @throws TwoFactorConfigurationError when `limits.requester` returns anything but a string, `null` or `undefined`.
   */
  async requesterOf(context: ExecutionContext): Promise<string | undefined> {
    const { requester: resolve } = this.options.limits;
    if (resolve === undefined) return this.#addressOf(context);
    const requester = await callResolver(REQUESTER, () => resolve(context));
    if (requester === undefined || requester === null || requester === '') return undefined;
    if (typeof requester === 'string') {
      return resolvedValue(REQUESTER, () => parseRequester(requester));
    }
    throw new TwoFactorConfigurationError(
      `The resolver limits.requester returned a ${typeof requester}. Let it return a string, or null for unknown.`,
    );
  }

  #addressOf(context: ExecutionContext): string | undefined {
    if (context.getType() !== 'http') return undefined;
    const { ip: given, headers, socket } = context.switchToHttp().getRequest<AddressedRequest>();
    const ip = typeof given === 'string' ? withoutPort(given) : '';
    if (parseAddress(ip) === null) {
      this.#warnOnce(NO_ADDRESS);
      return undefined;
    }
    // Without `trust proxy` all clients have the address of the proxy, and would share the small quota of one client.
    const isProxy =
      PROXY_HEADERS.some((name) => headers?.[name] !== undefined) &&
      given === socket?.remoteAddress &&
      this.#isPrivate(ip);
    if (!isProxy) return ip;
    this.#warnOnce(UNTRUSTED_PROXY);
    return undefined;
  }

  /** Whether an address is in a private network, as that of a reverse proxy usually is. A client on the Internet has none. */
  #isPrivate(ip: string): boolean {
    const address = ip.split('%', 1)[0]!.replace(/^::ffff:(?=\d)/i, '');
    return this.#private.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }

  #warnOnce(sentence: string): void {
    if (this.#warned.has(sentence)) return;
    this.#warned.add(sentence);
    this.#logger.warn(sentence);
  }
}

/** An address without the port that some proxies report beside it: `203.0.113.7:51234`, `[2001:db8::1]:443`. */
function withoutPort(text: string): string {
  const [, bracketed, dotted] = ADDRESS_WITH_PORT.exec(text) ?? [];
  return bracketed ?? dotted ?? text;
}
