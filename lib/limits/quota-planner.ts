import { limitKey, type KeyRing } from '../crypto/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  type LimitName,
} from '../errors/index.js';
import type {
  LimitClass,
  NetworkSendLimit,
  ResolvedLimits,
  ResolvedOptions,
  SendLimit,
} from '../options/index.js';
import { canonicalToken } from './canonical-token.js';
import type { FailureRule, QuotaRequest } from './store/limit-store.interface.js';
import { customerOf, networkOf, parseAddress, type Address } from './networks.js';

/** What a confirmation is about, as far as it is known. */
export interface QuotaScope {
  /** `null` until the confirmation is bound to a token. */
  readonly token: string | null;
  /** The side that named the token. */
  readonly tokenFrom: 'client' | 'application';
  /** Empty for no subject. */
  readonly subject: string;
  /** Empty for the nameless purpose. */
  readonly purpose: string;
  /** Whether the confirmation was made without a message, and so holds one of the pending slots. */
  readonly hasSlot: boolean;
}

/** A message that is to be sent. */
export interface LimitedMessage {
  readonly way: string;
  /** An IP address or another name of the requester; `undefined` for unknown. */
  readonly requester: string | undefined;
}

/** The failures of a token that clients name, or of a subject and the token that the application names. */
export type FailureScope =
  | { readonly token: string; readonly subject?: undefined }
  | { readonly subject: string; readonly token?: string | undefined };

/** A quota and its name in errors and events. */
export interface NamedQuota extends QuotaRequest {
  readonly limit: LimitName;
  readonly limitClass: LimitClass;
}

/** The part of a counter's key that names its scope: `open` and the token, or `bound`, the subject and the token. */
type ScopeNames = readonly [limitClass: LimitClass, ...names: string[]];

const UNKNOWN_REQUESTER = 'unknown';

/**
 * Which quotas a request needs, and under which keys. It reads options only, and no store.
 *
 * A counter belongs to the side that chose the token: `open` where a client named it, `bound` where the application named
 * it for a subject. The class is part of each key, so that nothing is shared between strangers and signed-in users.
 */
export class QuotaPlanner {
  readonly failureRule: FailureRule | null;
  readonly #limits: ResolvedLimits;
  readonly #keyRing: KeyRing;

  constructor({ limits, keyRing }: Pick<ResolvedOptions, 'limits' | 'keyRing'>) {
    this.#limits = limits;
    this.#keyRing = keyRing;
    this.failureRule = failureRuleOf(limits);
  }

  /** The failure quota of a token, or of a subject and its token; none while neither is known. */
  failureQuotas(scope: QuotaScope, checkOnly: boolean): NamedQuota[] {
    const names = this.#namesOf(scope);
    if (this.failureRule === null || names === null) return [];
    return this.#failures(this.failureRule, names, checkOnly);
  }

  /** @throws TwoFactorInputError for anything but a token, a subject, or both. */
  failureKeys(scope: FailureScope): string[] {
    const parsed = this.#parseScope(scope);
    return this.#keyRing.keys.map((ringKey) => limitKey(ringKey, 'failures', ...parsed)).toSorted();
  }

  /** The keys of the messages to a token. @throws as `failureKeys`. */
  messageKeys(scope: FailureScope): string[] {
    const parsed = this.#parseScope(scope);
    return this.#sendsPerToken(parsed)
      .map(({ key }) => key)
      .toSorted();
  }

  /** What a new confirmation or a message needs, slots aside: no lock, and one message of each quota that counts it. */
  request(scope: QuotaScope, message: LimitedMessage | undefined): NamedQuota[] {
    const names = this.#namesOf(scope);
    const failures =
      this.failureRule === null || names === null
        ? []
        : this.#failures(this.failureRule, names, true);
    return message === undefined
      ? failures
      : [...failures, ...this.#message(scope, names, message)];
  }

  /**
   * The slots of a confirmation that is made without a message, any of which will do. A confirmation of no subject and to no
   * token takes none.
   */
  slots(scope: QuotaScope, ttlMs: number): NamedQuota[][] {
    const { pending } = this.#limits;
    const { subject, token, purpose } = scope;
    if (pending === null || (subject === '' && token === null)) return [];
    const limitClass = classOf(scope);
    // A subject keeps its slots when the token becomes known later, so that the end of a confirmation frees the right one.
    const owner = subject === '' ? ['token', this.normalize(token!)] : ['subject', subject];
    const rule = { kind: 'window', max: 1, windowMs: ttlMs } as const;
    return Array.from({ length: pending }, (_, slot) =>
      this.#quotas({ limit: 'pending', limitClass, rule, checkOnly: false }, [
        'pending',
        limitClass,
        purpose,
        ...owner,
        String(slot),
      ]),
    );
  }

  /** One spelling for all spellings of a token. */
  normalize(token: string): string {
    const { normalizeToken = canonicalToken } = this.#limits;
    let normalized: unknown;
    try {
      normalized = normalizeToken(token);
    } catch {
      // The message of its error may quote the token.
      throw new TwoFactorConfigurationError(
        'The option limits.normalizeToken threw. Let it return a string for every token.',
      );
    }
    if (typeof normalized === 'string' && normalized !== '') return normalized;
    throw new TwoFactorConfigurationError(
      `The option limits.normalizeToken returned ${normalized === '' ? 'an empty string' : `a ${typeof normalized}`}. ` +
        'Let it return a string that is not empty, and no promise.',
    );
  }

  #namesOf(scope: QuotaScope): ScopeNames | null {
    const { subject, token } = scope;
    if (classOf(scope) === 'bound') {
      return ['bound', subject, token === null ? '' : this.normalize(token)];
    }
    return token === null ? null : ['open', this.normalize(token)];
  }

  #parseScope(scope: FailureScope): ScopeNames {
    const { token, subject } = (scope as Partial<FailureScope> | null) ?? {};
    const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
    const isAbsentOrName = [token, subject].every((value) => value === undefined || isName(value));
    if (!isAbsentOrName || (token === undefined && subject === undefined)) {
      throw new TwoFactorInputError(
        'Give a token that clients name, { token }, or a subject with the token of its codes, { subject, token }.',
      );
    }
    const normalized = token === undefined ? '' : this.normalize(token);
    return subject === undefined ? ['open', normalized] : ['bound', subject, normalized];
  }

  #failures(rule: FailureRule, names: ScopeNames, checkOnly: boolean): NamedQuota[] {
    return this.#quotas({ limit: 'failures', limitClass: names[0], rule, checkOnly }, [
      'failures',
      ...names,
    ]);
  }

  #message(
    scope: QuotaScope,
    names: ScopeNames | null,
    { way, requester }: LimitedMessage,
  ): NamedQuota[] {
    const { sendsPerSender, sendsInTotal } = this.#limits;
    const limitClass = classOf(scope);
    return [
      ...(names === null || scope.token === null ? [] : this.#sendsPerToken(names)),
      ...(limitClass === 'open' ? this.#requester(scope.subject, requester) : []),
      ...this.#windows('sends-per-sender', limitClass, sendsPerSender, way, limitClass),
      ...this.#windows('sends-in-total', limitClass, sendsInTotal[limitClass], limitClass),
    ];
  }

  #sendsPerToken(names: ScopeNames): NamedQuota[] {
    const [limitClass] = names;
    const rules = this.#limits.sendsPerToken[limitClass];
    return this.#windows('sends-per-token', limitClass, rules, ...names);
  }

  /**
   * The quotas of the requester of a message of the class `open`, and of its networks. A subject that names a token is a
   * requester itself, and counts in its widest network only: more addresses give it no more messages.
   */
  #requester(subject: string, requester: string | undefined): NamedQuota[] {
    const perRequester = (...names: string[]): NamedQuota[] =>
      this.#windows('sends-per-requester', 'open', this.#limits.sendsPerRequester, ...names);
    const address = requester === undefined ? null : parseAddress(requester);
    const networks = address === null ? [] : this.#networks(address);
    if (subject !== '') {
      return [...perRequester('subject', subject), ...networks.slice(0, 1).flat()];
    }
    if (requester === undefined)
      return this.#unknownRequesters() ?? perRequester(UNKNOWN_REQUESTER);
    if (address === null) return perRequester('name', requester);
    return [...perRequester('address', customerOf(address)), ...networks.flat()];
  }

  /** Requesters that the application does not know share one quota, so that none goes uncounted. */
  #unknownRequesters(): NamedQuota[] | null {
    const family = this.#limits.sendsPerNetwork.some(({ ipv4 }) => ipv4) ? 'ipv4' : 'ipv6';
    const [widest] = this.#rulesFor(family);
    if (widest === undefined) return null;
    const rules = this.#rulesFor(family).filter(({ prefix }) => prefix === widest.prefix);
    return this.#windows(
      'sends-per-network',
      'open',
      rules.map(({ rule }) => rule),
      UNKNOWN_REQUESTER,
    );
  }

  /** The networks of an address, the widest first. */
  #networks(address: Address): NamedQuota[][] {
    return this.#rulesFor(address.family).map(({ rule, prefix }) =>
      this.#windows('sends-per-network', 'open', [rule], networkOf(address, prefix)),
    );
  }

  #rulesFor(family: Address['family']): { rule: NetworkSendLimit; prefix: number }[] {
    return this.#limits.sendsPerNetwork
      .flatMap((rule) => {
        const prefix = rule[family];
        return prefix === undefined ? [] : [{ rule, prefix }];
      })
      .toSorted((one, other) => one.prefix - other.prefix);
  }

  #windows(
    limit: LimitName,
    limitClass: LimitClass,
    rules: readonly SendLimit[],
    ...names: readonly string[]
  ): NamedQuota[] {
    return rules.flatMap(({ max, perSeconds }) =>
      this.#quotas(
        {
          limit,
          limitClass,
          rule: { kind: 'window', max, windowMs: perSeconds * 1_000 },
          checkOnly: false,
        },
        [limit, String(perSeconds), ...names],
      ),
    );
  }

  /**
   * One quota under each secret of the ring: instances that do not know the new secret yet count the same, and what is
   * counted from now on is not lost when the old secret is removed.
   */
  #quotas(quota: Omit<NamedQuota, 'key'>, names: readonly string[]): NamedQuota[] {
    return this.#keyRing.keys.map((ringKey) => ({
      key: limitKey(ringKey, ...names),
      rule: quota.rule,
      limit: quota.limit,
      limitClass: quota.limitClass,
      checkOnly: quota.checkOnly,
    }));
  }
}

/** The class `open` for a client that names the token: it is a stranger to that token even when it is signed in. */
export function classOf({ subject, tokenFrom }: QuotaScope): LimitClass {
  return subject === '' || tokenFrom === 'client' ? 'open' : 'bound';
}

function failureRuleOf({ failures }: ResolvedLimits): FailureRule | null {
  if (failures === null) return null;
  const { lockAfter, lockMs, maxLockMs, permanentLockAfter } = failures;
  return { kind: 'failures', max: permanentLockAfter, lockAfter, lockMs, maxLockMs };
}
