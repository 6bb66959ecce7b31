import { limitKey, type KeyRing } from '../crypto/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorInputError,
  type MethodName,
} from '../errors/index.js';
import type { LimitClass, ResolvedLimits, ResolvedOptions } from '../options/index.js';
import { canonicalToken } from './canonical-token.js';
import { classOf, hasClaimedSubject, messageClassOf } from './message-class.js';
import { quotasUnder, windowsUnder, type NamedQuota } from './named-quota.js';
import type { PrefixedMessage, PrefixLedger } from './prefixes/prefix-ledger.js';
import { RequesterQuotas } from './requester-quotas.js';
import type { FailureRule } from './store/limit-store.interface.js';
import { canonicalPhone } from './subscriber.js';

/** What a confirmation is about, as far as it is known. */
export interface QuotaScope {
  /** `null` until the confirmation is bound to a phone number or address. */
  readonly token: string | null;
  /** The side that named the phone number or address. */
  readonly tokenFrom: 'client' | 'application';
  /** Empty for no subject. */
  readonly subject: string;
  /** Empty for the nameless purpose. */
  readonly purpose: string;
  /**
   * Whether the confirmation holds one of the slots of `limits.pending`. It holds one when it was made without a message, so that
   * no quota of messages limits how many codes there are to guess at.
   */
  readonly hasSlot: boolean;
  /** The method of the response that is counted, such as `totp`; absent for a code that was sent. */
  readonly method?: string | undefined;
}

/** A message that is to be sent. */
export interface LimitedMessage {
  readonly way: string;
  /** An IP address or another name of the requester; `undefined` for unknown. */
  readonly requester: string | undefined;
}

/** A confirmation that a client begins without a message, by a method other than a code. */
export interface MessagelessRequest {
  /** An IP address or another name of the requester; `undefined` for unknown. */
  readonly requester: string | undefined;
  /** Whether the client has named one method, and responses to that method cannot be guessed. No lock refuses such a method. */
  readonly isNarrowed: boolean;
}

/**
 * The failures of a phone number or address that clients name, or of a subject and the phone number or address that the
 * application names.
 */
export type FailureScope =
  | { readonly token: string; readonly subject?: undefined; readonly method?: undefined }
  | { readonly subject: string; readonly token?: string | undefined; readonly method?: undefined }
  | { readonly subject: string; readonly method: MethodName; readonly token?: undefined };

/**
 * The part of a counter's key that names its scope:
 *
 * - `open` and the phone number or address that a client named.
 * - `bound`, the subject, and the phone number or address that the application named for it.
 * - `claimed` and the phone number or address of a subject that a client only claims. The subject is left out, because the
 *   application may find one person under several spellings of a name, and each spelling would have counters of its own. Without a
 *   phone number or address the subject is all that is known.
 * - `method`, the subject and the method. The codes of an authenticator app are counted apart, so that wrong sent codes never lock
 *   the app.
 * - `claimed-method`, the subject that a client only claims, and the method: a stranger who guesses at the app of a claimed person must
 *   not lock that app for the sign-in and the payments of the person.
 */
type ScopeNames = readonly [
  scope: LimitClass | 'claimed' | 'claimed-method' | 'method',
  ...names: string[],
];

/** The scopes of responses to methods other than a code. No messages belong to them. */
const METHOD_SCOPES: ReadonlySet<ScopeNames[0]> = new Set(['claimed-method', 'method']);

/**
 * Which quotas a request needs, and under which keys. It reads options only, and no store.
 *
 * A counter belongs to the side that chose the phone number or address: `open` where a client named it, `bound` where the
 * application named it for a subject, and `claimed` where an anonymous client may have named the subject (`claimedSubject`). The
 * scope is part of each key, so that nothing is shared between strangers and signed-in users. The messages to a claimed subject
 * count as `open` ones beside the count of the person, and no wait is exact.
 */
export class QuotaPlanner {
  readonly failureRule: FailureRule | null;
  readonly #limits: ResolvedLimits;
  readonly #keyRing: KeyRing;
  readonly #requesters: RequesterQuotas;

  constructor(
    private readonly options: Pick<ResolvedOptions, 'limits' | 'keyRing' | 'purposes'>,
    private readonly prefixes: PrefixLedger | null = null,
  ) {
    this.#limits = options.limits;
    this.#keyRing = options.keyRing;
    this.#requesters = new RequesterQuotas(options.limits, options.keyRing);
    this.failureRule = failureRuleOf(options.limits);
  }

  /**
   * The failure quota of what the confirmation is about. None while the phone number or address that a client has to name is
   * unknown.
   */
  failureQuotas(scope: QuotaScope, checkOnly: boolean): NamedQuota[] {
    return this.#failures(scope, this.#namesOf(scope), checkOnly);
  }

  /** @throws TwoFactorInputError for anything but a phone number or address, a subject, or both. */
  failureKeys(scope: FailureScope): string[] {
    return this.#parseScope(scope)
      .flatMap((names) =>
        this.#keyRing.keys.map((ringKey) => limitKey(ringKey, 'failures', ...names)),
      )
      .toSorted();
  }

  /** The keys of the quotas of messages to a phone number or address. @throws as `failureKeys`. */
  messageKeys(scope: FailureScope): string[] {
    return this.#parseScope(scope)
      .flatMap((names) => this.#sendsPerToken(names))
      .map(({ key }) => key)
      .toSorted();
  }

  /**
   * The quotas that a new confirmation or a message needs, except for pending slots: the failure quota, which must not be
   * locked, and the quotas that count the message. A request that begins without a message is counted for its requester, and never
   * for the subject alone: otherwise a thief of a password could use up what the owner needs to sign in. No lock refuses a request
   * that is narrowed to a method which cannot be guessed.
   */
  requestQuotas(
    scope: QuotaScope,
    message: LimitedMessage | undefined,
    unsent?: MessagelessRequest,
  ): NamedQuota[] {
    const { subject } = scope;
    // Strangers who claim names use up no count that signed-in users need.
    const claimed = hasClaimedSubject(this.options, scope) ? ['claimed'] : null;
    if (unsent?.isNarrowed) {
      return this.#requesters.ofMessagelessRequest(unsent.requester, claimed ?? []);
    }
    const names = this.#namesOf(scope);
    const failures = this.#failures(scope, names, true);
    if (unsent !== undefined) {
      // A count for each subject of a requester: the people of an office share an address, and each of them signs in by an app. A
      // stranger who claims another name each time would get a new count, and as many rows, with each of them, so that the claimed
      // subjects of one requester share a count.
      const counted = claimed ?? ['subject', subject];
      return [...failures, ...this.#requesters.ofMessagelessRequest(unsent.requester, counted)];
    }
    return message === undefined
      ? failures
      : [...failures, ...this.#messageQuotas(scope, names, message)];
  }

  /**
   * The pending slots of a confirmation that is made without a message; it takes any one of them. A confirmation without a
   * subject and without a phone number or address takes none.
   */
  slots(scope: QuotaScope, ttlMs: number): NamedQuota[][] {
    const { pending } = this.#limits;
    const { subject, token, purpose } = scope;
    if (pending === null || (subject === '' && token === null)) return [];
    const limitClass = classOf(scope);
    // The slots belong to the subject alone: the phone number or address may become known later, and the end of a confirmation must
    // free the slot that its beginning took.
    const owner = subject === '' ? ['token', this.countedNameOf(token!)] : ['subject', subject];
    const rule = { kind: 'window', max: 1, windowMs: ttlMs } as const;
    const isOfClaimed = hasClaimedSubject(this.options, scope);
    return Array.from({ length: pending }, (_, slot) =>
      quotasUnder(
        this.#keyRing,
        { limit: 'pending', limitClass, rule, checkOnly: false, isOfClaimed },
        ['pending', limitClass, purpose, ...owner, String(slot)],
      ),
    );
  }

  /** The name under which a phone number or address is counted. It may be no number to dial: see `canonicalPhone`. */
  countedNameOf(token: string): string {
    return canonicalPhone(this.normalize(token));
  }

  /** A message as its prefix counts it; `null` for none. */
  prefixedMessage(scope: QuotaScope, way: string | undefined): PrefixedMessage | null {
    const { token } = scope;
    if (way === undefined || token === null) return null;
    return { way, token, limitClass: messageClassOf(this.options, scope) };
  }

  /** One spelling for all spellings of a phone number or address. */
  normalize(token: string): string {
    const { normalizeToken = canonicalToken } = this.#limits;
    let normalized: unknown;
    try {
      normalized = normalizeToken(token);
    } catch {
      // The error of `normalizeToken` is not given as the cause, because its message may quote the phone number or address.
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
    const { subject, token, method } = scope;
    if (method !== undefined) {
      const isClaimed = hasClaimedSubject(this.options, scope);
      return [isClaimed ? 'claimed-method' : 'method', subject, method];
    }
    if (classOf(scope) === 'bound') {
      if (hasClaimedSubject(this.options, scope)) return this.#claimedNames(subject, token);
      return ['bound', subject, token === null ? '' : this.countedNameOf(token)];
    }
    return token === null ? null : ['open', this.countedNameOf(token)];
  }

  #claimedNames(subject: string, token: string | null): ScopeNames {
    return token === null
      ? ['claimed', 'subject', subject]
      : ['claimed', this.countedNameOf(token)];
  }

  /** The scopes that a person who calls `LimitService` means: of a subject those of its claimed purposes, too. */
  #parseScope(scope: FailureScope): ScopeNames[] {
    const { token, subject, method } = (scope as Partial<FailureScope> | null) ?? {};
    const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
    const isAbsentOrName = [token, subject, method].every(
      (value) => value === undefined || isName(value),
    );
    const isNamed = method === undefined ? (token ?? subject) : subject;
    if (!isAbsentOrName || isNamed === undefined || (method !== undefined && token !== undefined)) {
      throw new TwoFactorInputError(
        'Give a token that clients name, { token }, or a subject with the token of its codes, { subject, token }, or with ' +
          "the method of its responses, { subject, method: 'totp' }.",
      );
    }
    if (method !== undefined) {
      return [
        ['method', subject!, method],
        ['claimed-method', subject!, method],
      ];
    }
    const normalized = token === undefined ? '' : this.countedNameOf(token);
    if (subject === undefined) return [['open', normalized]];
    return [['bound', subject, normalized], this.#claimedNames(subject, token ?? null)];
  }

  #failures(scope: QuotaScope, names: ScopeNames | null, checkOnly: boolean): NamedQuota[] {
    const rule = this.failureRule;
    if (rule === null || names === null) return [];
    const limitClass = names[0] === 'open' ? 'open' : 'bound';
    const isOfMethod = METHOD_SCOPES.has(names[0]) || undefined;
    const rules = { rule, checkOnly, isOfClaimed: hasClaimedSubject(this.options, scope) };
    return quotasUnder(this.#keyRing, { ...rules, limit: 'failures', limitClass, isOfMethod }, [
      'failures',
      ...names,
    ]);
  }

  #messageQuotas(
    scope: QuotaScope,
    names: ScopeNames | null,
    { way, requester }: LimitedMessage,
  ): NamedQuota[] {
    const { sendsPerSender, sendsInTotal } = this.#limits;
    const limitClass = messageClassOf(this.options, scope);
    const isOfClaimed = hasClaimedSubject(this.options, scope);
    // A subject that is only claimed is no requester: the stranger would name another one for each message.
    const subject = isOfClaimed ? '' : scope.subject;
    const ofToken = names === null || scope.token === null ? [] : this.#sendsPerToken(names);
    return [
      ...ofToken.map((quota) => ({ ...quota, isOfClaimed })),
      ...(limitClass === 'open' ? this.#requesters.ofMessage(subject, requester) : []),
      ...this.#prefixes(scope.token, limitClass, way),
      ...windowsUnder(
        this.#keyRing,
        { limit: 'sends-per-sender', limitClass, rules: sendsPerSender },
        [way, limitClass],
      ),
      ...windowsUnder(
        this.#keyRing,
        { limit: 'sends-in-total', limitClass, rules: sendsInTotal[limitClass] },
        [limitClass],
      ),
    ];
  }

  /**
   * The quotas that count the messages to the prefix and to the country of a phone number. Their windows begin at fixed times, the
   * same for all numbers.
   */
  #prefixes(token: string | null, limitClass: LimitClass, way: string): NamedQuota[] {
    const { prefixes } = this;
    if (prefixes === null || token === null) return [];
    return prefixes.talliesOf({ way, token, limitClass }).flatMap((tally) =>
      tally.keys.map(({ sent }, index) => ({
        key: sent,
        rule: prefixes.counts.ruleOf(tally, index),
        limit: 'sends-per-prefix' as const,
        limitClass,
        checkOnly: false,
      })),
    );
  }

  #sendsPerToken(names: ScopeNames): NamedQuota[] {
    const [scope] = names;
    if (METHOD_SCOPES.has(scope)) return [];
    const limitClass = scope === 'open' ? 'open' : 'bound';
    const rules = this.#limits.sendsPerToken[limitClass];
    return windowsUnder(this.#keyRing, { limit: 'sends-per-token', limitClass, rules }, names);
  }
}

function failureRuleOf({ failures }: ResolvedLimits): FailureRule | null {
  if (failures === null) return null;
  const { lockAfter, lockMs, maxLockMs, permanentLockAfter } = failures;
  return { kind: 'failures', max: permanentLockAfter, lockAfter, lockMs, maxLockMs };
}
