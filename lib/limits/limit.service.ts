import { randomBytes } from 'node:crypto';

import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { limitKey } from '../crypto/index.js';
import {
  TwoFactorError,
  TwoFactorInputError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitName,
} from '../errors/index.js';
import type { ResolvedOptions, SendBudget } from '../options/index.js';
import { InjectTwoFactorOptions, TWO_FACTOR_LIMIT_STORE } from '../two-factor.tokens.js';
import { canonicalStarter, canonicalToken } from './canonical-token.js';
import { isSpent, waitMs } from './limit-rules.js';
import type { FailureRule, LimitCharge, LimitLevel, LimitStore } from './limit-store.interface.js';

/** Whom a confirmation is about, as far as is known. */
export interface LimitedParty {
  /** `null` as long as nobody said it. */
  readonly token: string | null;
  /** Empty for nobody in particular. */
  readonly subject: string;
  /** Empty for the nameless one. */
  readonly purpose: string;
}

/** A new confirmation, a message, or both. */
export interface LimitedRequest extends LimitedParty {
  /** Takes one of the live places; its id. */
  readonly opens?: { readonly id: string; readonly ttlMs: number } | undefined;
  /** Spends a message of this sender. */
  readonly sends?: { readonly way: string; readonly starter: string | undefined } | undefined;
}

/** Whose failures are meant. */
export type FailuresOf =
  | { readonly token: string; readonly subject?: undefined }
  | { readonly subject: string; readonly token?: undefined };

/** Consecutive wrong codes of a token or a subject. */
export interface FailureCount {
  readonly count: number;
  /** `null` when it is not locked, or stopped for good. */
  readonly lockedUntil: Date | null;
  /** Whether only `reset()` helps. */
  readonly isStopped: boolean;
}

/** What a call has charged, to be given back if what it was for does not happen. */
export interface Charged {
  readonly charges: readonly Budget[];
  readonly levels: readonly LimitLevel[];
}

/** A right code ends them in its own statement: the values of the store's `clearClause`; `null` ends nothing. */
export function settlementValues(settlement: Settlement | null): Readonly<Record<string, string>> {
  const { keys = [], holder = '' } = settlement ?? {};
  return { limitKeys: `{${keys.join(',')}}`, holder };
}

/** What a success ends: the failures of its token and subject, and its live place. */
export interface Settlement {
  readonly keys: readonly string[];
  readonly holder: string;
}

interface Budget extends LimitCharge {
  readonly limit: LimitName;
}

/** Whether a confirmation must be known before its code is compared. */
export function watchesConfirm({ limits: { failures, live } }: ResolvedOptions): boolean {
  return failures !== null || live !== null;
}

const NOTHING: Charged = { charges: [], levels: [] };
const HOLDER_BYTES = 16;
/** The client did nothing wrong. */
const OURS: ReadonlySet<LimitName> = new Set(['sends-per-sender', 'sends-in-total']);

/**
 * Budgets that hold across confirmations. Charged before what they limit, all that a call needs at once, and given back
 * when that does not happen. A store that does not answer refuses.
 *
 * @publicApi
 */
@Injectable()
export class LimitService {
  readonly #logger = new Logger(LimitService.name);

  constructor(
    @Inject(TWO_FACTOR_LIMIT_STORE) private readonly store: LimitStore,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Ends the lock, or the stop, of a token or a subject. Budgets of messages run out by themselves.
   *
   * @throws TwoFactorInputError for anything but one of the two.
   */
  async reset(whose: FailuresOf): Promise<void> {
    const keys = this.#failureKeys(whose);
    await this.#ask(() => this.store.clear(keys, this.#newHolder()));
    const what = whose.token === undefined ? 'subject' : 'token';
    this.#logger.log(`The failures of ${what} ${keys[0]?.slice(0, 16)} were reset by hand.`);
  }

  /** How many wrong codes in a row were tried for a token or a subject. */
  async failures(whose: FailuresOf): Promise<FailureCount> {
    const levels = await this.#ask(() => this.store.read(this.#failureKeys(whose)));
    const rule = this.#failureRule();
    const now = this.options.clock.now();
    const count = levels.reduce((sum, { amount }) => sum + amount, 0);
    const endsAt = Math.max(0, ...levels.map((level) => level.endsAt));
    const isStopped = rule !== null && levels.some(({ amount }) => amount >= rule.max);
    return {
      count,
      isStopped,
      lockedUntil: !isStopped && endsAt > now ? new Date(endsAt) : null,
    };
  }

  /**
   * Before a code is compared: one failure of the token and of the subject.
   *
   * @throws TwoFactorTooManyRequestsError while either is locked; nothing is charged then.
   * @internal
   */
  async chargeComparison(party: LimitedParty): Promise<Charged> {
    return this.#charge(this.#failures(party, false), [], this.#newHolder());
  }

  /**
   * Before a confirmation is made or sent: its live place and its message, if neither token nor subject is locked.
   *
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError; nothing is charged then.
   * @internal
   */
  async chargeRequest(request: LimitedRequest, manager?: EntityManager): Promise<Charged> {
    const { opens, sends } = request;
    const places = opens ? this.#places(request, opens.ttlMs) : [];
    const holder = opens ? this.#holderOf(opens.id) : this.#newHolder();
    const fixed = [...this.#failures(request, true), ...(sends ? this.#sends(request, sends) : [])];
    return this.#charge(fixed, places, holder, manager);
  }

  /**
   * What was charged for did not happen. Never throws: what is not given back is lost, which is the safe side.
   *
   * @internal
   */
  async giveBack({ charges }: Charged, manager?: EntityManager): Promise<void> {
    const spent = charges.filter(({ checkOnly }) => !checkOnly);
    if (spent.length > 0) await this.#tryTo(() => this.store.giveBack(spent, manager));
  }

  /**
   * The message is not sent, but the confirmation lives on: it keeps its place.
   *
   * @internal
   */
  async giveMessageBack({ charges, levels }: Charged): Promise<void> {
    const sends = charges.filter(({ limit }) => limit.startsWith('sends-'));
    await this.giveBack({ charges: sends, levels });
  }

  /**
   * What a right code ends.
   *
   * @internal
   */
  settlement(party: LimitedParty, id: string): Settlement {
    const failures = this.#failures(party, false).map(({ key }) => key);
    return { ...this.ending(party, id), keys: [...failures, ...this.#placeKeys(party)].toSorted() };
  }

  /**
   * What the end of a confirmation without a right code ends: its live place.
   *
   * @internal
   */
  ending(party: LimitedParty, id: string): Settlement {
    return { keys: this.#placeKeys(party).toSorted(), holder: this.#holderOf(id) };
  }

  /**
   * Never throws, as `giveBack`.
   *
   * @internal
   */
  async settle({ keys, holder }: Settlement): Promise<void> {
    if (keys.length > 0) await this.#tryTo(() => this.store.clear(keys, holder));
  }

  /**
   * Until when a failure that was just charged locks, by scope; `null` for good.
   *
   * @internal
   */
  locksOf({ charges, levels }: Charged): { scope: 'token' | 'subject'; until: Date | null }[] {
    const now = this.options.clock.now();
    return charges.flatMap((charge) => {
      const level = levels.find(({ key }) => key === charge.key);
      if (level === undefined || !isSpent(level, charge, now)) return [];
      const scope = charge.limit === 'token-failures' ? ('token' as const) : ('subject' as const);
      return [{ scope, until: level.amount >= charge.rule.max ? null : new Date(level.endsAt) }];
    });
  }

  /**
   * 16 hexadecimal characters that stand for a token.
   *
   * @internal
   */
  tokenKey(token: string): string {
    return this.#key('recipient', this.#canonical(token)).slice(0, 16);
  }

  /**
   * Forgets budgets of which nothing is spent, `limit` at a time; true as long as there are more to look at.
   *
   * @internal
   */
  async purge(limit: number): Promise<boolean> {
    return (await this.store.purge?.(limit)) ?? false;
  }

  async #charge(
    fixed: readonly Budget[],
    places: readonly Budget[],
    holder: string,
    manager?: EntityManager,
  ): Promise<Charged> {
    if (fixed.length === 0 && places.length === 0) return NOTHING;
    let soonest: Refusal | null = null;
    // Any of the places will do: the next one is tried when only the place was refused.
    for (const place of places.length > 0 ? places : [null]) {
      const charges = (place === null ? [...fixed] : [...fixed, place]).toSorted(byKey);
      const { refused, charged } = await this.#ask(() =>
        this.store.charge(charges, holder, manager),
      );
      if (refused.length === 0) return { charges, levels: charged };
      const worst = this.#worst(
        charges,
        refused.filter(({ key }) => key !== place?.key),
      );
      if (worst !== null) throw refusalError(worst);
      const taken = this.#worst(charges, refused);
      if (soonest === null || (taken?.waitMs ?? 0) < (soonest.waitMs ?? 0)) soonest = taken;
    }
    throw refusalError(soonest!);
  }

  /** The refusal that lasts longest. */
  #worst(charges: readonly Budget[], refused: readonly LimitLevel[]): Refusal | null {
    const now = this.options.clock.now();
    const refusals = refused.map((level): Refusal => {
      const charge = charges.find(({ key }) => key === level.key)!;
      return { limit: charge.limit, waitMs: waitMs(level, charge, now) };
    });
    const length = (refusal: Refusal): number => refusal.waitMs ?? Number.POSITIVE_INFINITY;
    return (
      refusals.toSorted(
        (one, other) => length(other) - length(one) || one.limit.localeCompare(other.limit),
      )[0] ?? null
    );
  }

  #failures({ token, subject }: LimitedParty, checkOnly: boolean): Budget[] {
    const rule = this.#failureRule();
    if (rule === null) return [];
    const budgets: Budget[] = [];
    const add = (limit: LimitName, kind: string, value: string): void => {
      this.options.keyRing.keys.forEach((ringKey, index) => {
        const key = limitKey(ringKey, kind, value);
        // What was counted under an older secret still locks.
        budgets.push({ key, rule, limit, checkOnly: checkOnly || index > 0 });
      });
    };
    if (token !== null) add('token-failures', 'token', this.#canonical(token));
    if (subject !== '') add('subject-failures', 'subject', subject);
    return budgets;
  }

  #failureRule(): FailureRule | null {
    const { failures } = this.options.limits;
    if (failures === null) return null;
    const { lockFrom, lockMs, maxLockMs, stopAt } = failures;
    return { kind: 'failures', max: stopAt, lockFrom, lockMs, maxLockMs };
  }

  #failureKeys(whose: FailuresOf): string[] {
    const { token, subject } = (whose as Partial<FailuresOf> | null) ?? {};
    const value = token ?? subject;
    if (
      typeof value !== 'string' ||
      value === '' ||
      (token !== undefined && subject !== undefined)
    ) {
      throw new TwoFactorInputError('Give a token or a subject: reset({ token }).');
    }
    const [kind, name] =
      token === undefined ? ['subject', value] : ['token', this.#canonical(value)];
    return this.options.keyRing.keys.map((ringKey) => limitKey(ringKey, kind, name)).toSorted();
  }

  #sends(
    { token }: LimitedParty,
    { way, starter }: { readonly way: string; readonly starter: string | undefined },
  ): Budget[] {
    const { sendsPerToken, sendsPerStarter, sendsPerSender, sendsInTotal } = this.options.limits;
    const budgets = (limit: LimitName, rules: readonly SendBudget[], value: string): Budget[] =>
      rules.map(({ max, perSeconds }) => ({
        key: this.#key(limit, String(perSeconds), value),
        rule: { kind: 'window', max, windowMs: perSeconds * 1_000 },
        limit,
        checkOnly: false,
      }));
    return [
      ...(token === null ? [] : budgets('sends-per-token', sendsPerToken, this.#canonical(token))),
      ...(starter === undefined
        ? []
        : budgets('sends-per-starter', sendsPerStarter, canonicalStarter(starter))),
      ...budgets('sends-per-sender', sendsPerSender, way),
      ...budgets('sends-in-total', sendsInTotal, ''),
    ];
  }

  /** A confirmation for nobody and to nowhere takes no place. */
  #placeKeys({ token, subject, purpose }: LimitedParty): string[] {
    const { live } = this.options.limits;
    if (live === null || (subject === '' && token === null)) return [];
    const whose = subject === '' ? ['token', this.#canonical(token!)] : ['subject', subject];
    return Array.from({ length: live }, (_, place) =>
      this.#key('live', purpose, ...whose, String(place)),
    );
  }

  #places(party: LimitedParty, ttlMs: number): Budget[] {
    return this.#placeKeys(party).map((key) => ({
      key,
      rule: { kind: 'window', max: 1, windowMs: ttlMs },
      limit: 'live',
      checkOnly: false,
    }));
  }

  #canonical(token: string): string {
    const { canonicalToken: own } = this.options.limits;
    if (own === undefined) return canonicalToken(token);
    const canonical: unknown = own(token);
    return typeof canonical === 'string' && canonical !== '' ? canonical : canonicalToken(token);
  }

  #key(...parts: readonly string[]): string {
    return limitKey(this.options.keyRing.current, ...parts);
  }

  /** Not the id itself: whoever reads the budgets must not be able to touch the confirmation. */
  #holderOf(id: string): string {
    return this.#key('holder', id);
  }

  #newHolder(): string {
    return randomBytes(HOLDER_BYTES).toString('hex');
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (error instanceof TwoFactorError) throw error;
      const cause = new Error(error instanceof Error ? error.message : 'unknown');
      throw new TwoFactorUnavailableError('The limit store does not answer. Try again.', { cause });
    }
  }

  async #tryTo(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.warn(
        `A budget stays charged: ${error instanceof Error ? error.message : 'unknown'}`,
      );
    }
  }
}

interface Refusal {
  readonly limit: LimitName;
  readonly waitMs: number | null;
}

/** All that a call charges is locked in this one order. */
function byKey(one: LimitCharge, other: LimitCharge): number {
  return one.key < other.key ? -1 : 1;
}

function refusalError({ limit, waitMs: wait }: Refusal): Error {
  const seconds = wait === null ? null : Math.max(1, Math.ceil(wait / 1_000));
  if (OURS.has(limit)) {
    const retryAfterSeconds = seconds ?? 1;
    return new TwoFactorUnavailableError(
      `The messages of the budget ${limit} are used up. Raise it under limits, or wait ${retryAfterSeconds} seconds.`,
      { retryAfterSeconds, limit },
    );
  }
  return new TwoFactorTooManyRequestsError(
    seconds === null
      ? `Too many wrong codes (${limit}). Only LimitService.reset() helps.`
      : `The limit ${limit} is reached. Try again in ${seconds} seconds.`,
    seconds,
    limit,
  );
}
