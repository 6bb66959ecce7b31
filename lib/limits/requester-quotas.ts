import type { KeyRing } from '../crypto/index.js';
import type { LimitName } from '../errors/index.js';
import type { NetworkSendLimit, ResolvedLimits, SendLimit } from '../options/index.js';
import { windowsUnder, type NamedQuota } from './named-quota.js';
import { customerNetworkOf, networkOf, parseAddress, type Address } from './networks.js';

const UNKNOWN_REQUESTER = 'unknown';
/** All unknown requesters together may begin this many times as many confirmations without a message as one known requester. */
const UNKNOWN_REQUESTER_FACTOR = 10;

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
   * The quotas of a confirmation that begins without a message.
   *
   * @param within the names that the key of the count has beside the requester.
   */
  ofMessagelessRequest(requester: string | undefined, within: readonly string[]): NamedQuota[] {
    const { requestsPerRequester: rules } = this.limits;
    const own =
      requester === undefined
        ? rules.map(({ max, perSeconds }) => ({ max: max * UNKNOWN_REQUESTER_FACTOR, perSeconds }))
        : rules;
    return this.#windows('requests-per-requester', own, ...namesOf(requester), ...within);
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
