import type { KeyRing } from '../crypto/index.js';
import type { LimitName } from '../errors/index.js';
import type { NetworkSendLimit, ResolvedLimits, SendLimit } from '../options/index.js';
import { windowsUnder, type NamedQuota } from './named-quota.js';
import { customerNetworkOf, networkOf, parseAddress, type Address } from './networks.js';

const UNKNOWN_REQUESTER = 'unknown';
/**
 * All unknown requesters together, and all of one network, may begin this many times as many confirmations without a message as one
 * known requester.
 */
const MANY_REQUESTERS = 10;

/** The quotas of the party that asks: an address with its networks, another name, or a subject. Like `QuotaPlanner` it reads no store. */
export class RequesterQuotas {
  constructor(
    private readonly limits: Pick<
      ResolvedLimits,
      'requestsPerRequester' | 'sendsPerNetwork' | 'sendsPerRequester'
    >,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * The quotas of a confirmation that begins without a message: of the requester and, where that is an address, of its widest network. A
   * client with a /48 of IPv6 has 65,536 networks of one customer each, and would otherwise write as many rows as it likes.
   *
   * @param within the names that the key of the count has beside the requester.
   */
  ofMessagelessRequest(requester: string | undefined, within: readonly string[]): NamedQuota[] {
    const { requestsPerRequester: rules } = this.limits;
    const ofMany = rules.map(({ max, perSeconds }) => ({ max: max * MANY_REQUESTERS, perSeconds }));
    const own = requester === undefined ? ofMany : rules;
    const address = requester === undefined ? null : parseAddress(requester);
    const network = address === null ? null : this.#widestNetworkOf(address);
    return [
      ...this.#windows('requests-per-requester', own, ...namesOf(requester), ...within),
      ...(network === null
        ? []
        : this.#windows('requests-per-requester', ofMany, 'network', network, ...within)),
    ];
  }

  /**
   * The quotas of the requester of a message of the class `open`, and of the requester's networks. A subject that names a phone number
   * or mail address is the requester. More IP addresses give the subject no more messages, so that only the widest network is counted.
   *
   * @param subject the signed-in subject; empty for none.
   */
  ofMessage(subject: string, requester: string | undefined): NamedQuota[] {
    const perRequester = (...names: string[]): NamedQuota[] =>
      this.#windows('sends-per-requester', this.limits.sendsPerRequester, ...names);
    const address = requester === undefined ? null : parseAddress(requester);
    const networks = address === null ? [] : this.#networks(address);
    if (subject !== '') {
      return [...perRequester('subject', subject), ...networks.slice(0, 1).flat()];
    }
    const own = perRequester(...namesOf(requester));
    if (requester === undefined) return this.#unknownRequesters() ?? own;
    return [...own, ...networks.flat()];
  }

  /** Requesters that the application does not know share one quota, so that none goes uncounted. */
  #unknownRequesters(): NamedQuota[] | null {
    const family = this.limits.sendsPerNetwork.some(({ ipv4 }) => ipv4) ? 'ipv4' : 'ipv6';
    const [widest] = this.#rulesFor(family);
    if (widest === undefined) return null;
    const rules = this.#rulesFor(family).filter(({ prefix }) => prefix === widest.prefix);
    return this.#windows(
      'sends-per-network',
      rules.map(({ rule }) => rule),
      UNKNOWN_REQUESTER,
    );
  }

  /** The name of the widest network of an address that `sendsPerNetwork` counts; `null` where it counts none. */
  #widestNetworkOf(address: Address): string | null {
    const [widest] = this.#rulesFor(address.family);
    return widest === undefined ? null : networkOf(address, widest.prefix);
  }

  /** The networks of an address, the widest first. */
  #networks(address: Address): NamedQuota[][] {
    return this.#rulesFor(address.family).map(({ rule, prefix }) =>
      this.#windows('sends-per-network', [rule], networkOf(address, prefix)),
    );
  }

  #rulesFor(family: Address['family']): { rule: NetworkSendLimit; prefix: number }[] {
    return this.limits.sendsPerNetwork
      .flatMap((rule) => {
        const prefix = rule[family];
        return prefix === undefined ? [] : [{ rule, prefix }];
      })
      .toSorted((one, other) => one.prefix - other.prefix);
  }

  #windows(limit: LimitName, rules: readonly SendLimit[], ...names: string[]): NamedQuota[] {
    return windowsUnder(this.keyRing, { limit, limitClass: 'open', rules }, names);
  }
}

function namesOf(requester: string | undefined): readonly string[] {
  if (requester === undefined) return [UNKNOWN_REQUESTER];
  const address = parseAddress(requester);
  return address === null ? ['name', requester] : ['address', customerNetworkOf(address)];
}
