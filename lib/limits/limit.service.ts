import { createHash } from 'node:crypto';

import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { limitKey } from '../crypto/index.js';
import type { SqlValues } from '../database/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorError,
  TwoFactorInputError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitName,
} from '../errors/index.js';
import type { ResolvedOptions, SendBudget } from '../options/index.js';
import { InjectTwoFactorOptions, TWO_FACTOR_LIMIT_STORE } from '../two-factor.tokens.js';
import { canonicalRequester, canonicalToken } from './canonical-token.js';
import { checkedLimitStore } from './checked-limit-store.js';
import { DatabaseLimitStore } from './database-limit.store.js';
import { chargeRow, failureValues, type ChargeRow } from './dialects/charge-values.js';
import type { LimitClauses } from './dialects/limit-clauses.js';
import { isSpent, lasts, waitMs } from './limit-rules.js';
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
  /** Takes one of the pending slots. */
  readonly opens?: Opens | undefined;
  /** Spends a message of this sender. */
  readonly sends?: { readonly way: string; readonly requester: string | undefined } | undefined;
}

/** A confirmation that is about to live. */
export interface Opens {
  readonly id: string;
  readonly ttlMs: number;
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
  readonly isPermanentlyLocked: boolean;
}

/** What a call has charged, to be given back if what it was for does not happen. */
export interface Charged {
  readonly charges: readonly Budget[];
  readonly levels: readonly LimitLevel[];
}

/** What a success ends: the failures of its token and subject, and its pending slot. */
export interface Settlement {
  readonly keys: readonly string[];
  readonly holder: string;
}

interface Budget extends LimitCharge {
  readonly limit: LimitName;
}

/** What a new confirmation charges in its own statement. */
export interface Bid {
  readonly charges: readonly Budget[];
  readonly holder: string;
  readonly rows: (now: number) => readonly ChargeRow[];
  /** The keys of its place: of two calls that want it one gets it. */
  readonly exclusive: readonly string[];
}

/** Where a confirmation is counted, for its own statements; `null` for nowhere. */
export type CountedUnder = {
  readonly failureKeys: string | null;
  readonly placeKeys: string | null;
};

/** Whether a confirmation must be known before its code is compared. */
export function watchesConfirm({ limits: { failures, pending } }: ResolvedOptions): boolean {
  return failures !== null || pending !== null;
}

const NOTHING: Charged = { charges: [], levels: [] };
const HOLDER_LENGTH = 16;
/** Of what belongs to no confirmation in particular. */
const NOBODY = '0'.repeat(HOLDER_LENGTH);
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
  readonly #clauseValues: SqlValues;
  private readonly store: LimitStore;

  /** @internal It is injected. */
  constructor(
    @Inject(TWO_FACTOR_LIMIT_STORE) store: LimitStore,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.store = checkedLimitStore(store, options.timeoutMs);
    const rule = this.#failureRule();
    const kids = options.keyRing.keys.map(({ kid }) => kid);
    this.#clauseValues = {
      ...failureValues(rule ?? undefined),
      ring: [...kids, rule === null ? 'off' : 'on'].join(','),
    };
  }

  /**
   * Ends the lock, or the stop, of a token or a subject; of a token also its budget of messages. Says so in the log.
   *
   * @throws TwoFactorInputError for anything but one of the two.
   */
  async reset(whose: FailuresOf): Promise<void> {
    const failures = this.#failureKeys(whose);
    const sends = whose.token === undefined ? [] : this.#sendsPerToken(whose.token);
    // Apart: other statements lock failures before windows, whatever their keys.
    await this.#ask(() => this.store.clear(failures));
    if (sends.length > 0) {
      await this.#ask(() => this.store.clear(sends.map(({ key }) => key).toSorted()));
    }
    const what =
      whose.token === undefined ? 'a subject' : `recipient ${this.tokenKey(whose.token)}`;
    this.#logger.log(`The limits of ${what} were reset by hand.`);
  }

  /** How many wrong codes in a row were tried for a token or a subject. */
  async failures(whose: FailuresOf): Promise<FailureCount> {
    const levels = await this.#ask(() => this.store.read(this.#failureKeys(whose)));
    const rule = this.#failureRule();
    const now = this.options.clock.now();
    // Each failure is counted under each secret.
    const count = Math.max(0, ...levels.map(({ amount }) => amount));
    const isPermanentlyLocked = rule !== null && levels.some(({ amount }) => amount >= rule.max);
    const locks = levels.filter((level) => rule !== null && lasts(level, rule, now));
    const endsAt = Math.max(0, ...locks.map((level) => level.endsAt));
    return {
      count,
      isPermanentlyLocked,
      lockedUntil: isPermanentlyLocked || endsAt === 0 ? null : new Date(endsAt),
    };
  }

  /**
   * Parts of the statements of the confirmations that charge by themselves; `null` where budgets are kept elsewhere, or by
   * an engine that cannot.
   *
   * @internal
   */
  get clauses(): LimitClauses | null {
    return this.store instanceof DatabaseLimitStore ? this.store.clauses : null;
  }

  /**
   * Values of the `clauses`, the same for all calls: among them `ring`, which the failure keys of a confirmation begin with
   * if they were made under the same secrets and rules.
   *
   * @internal
   */
  get clauseValues(): SqlValues {
    return this.#clauseValues;
  }

  /**
   * What `chargeRequest` would charge first, for a statement that does it by itself.
   *
   * @internal
   */
  bid(request: LimitedRequest & { readonly opens: Opens }): Bid {
    const { id, ttlMs } = request.opens;
    const [place = []] = this.#places(request, ttlMs);
    const charges = [...this.#fixed(request), ...place];
    const rows = (now: number): ChargeRow[] => charges.map((charge) => chargeRow(charge, now));
    return { charges, rows, holder: holderOf(id), exclusive: place.map(({ key }) => key) };
  }

  /**
   * What is charged for a wrong code.
   *
   * @internal
   */
  failuresOf(party: LimitedParty): Charged['charges'] {
    return this.#failures(party, false);
  }

  /**
   * Where a confirmation is counted, by its failures and its place among the charges.
   *
   * @internal
   */
  countedUnder(charges: Charged['charges']): CountedUnder {
    if (this.clauses === null) return { failureKeys: null, placeKeys: null };
    const keysOf = (kind: RegExp): string =>
      charges
        .filter(({ limit }) => kind.test(limit))
        .map(({ key }) => key)
        .join(',');
    return {
      failureKeys: `${this.#clauseValues['ring']}|${keysOf(/-failures$/)}`,
      placeKeys: keysOf(/^pending$/) || null,
    };
  }

  /**
   * Before a code is compared: one failure of the token and of the subject.
   *
   * @throws TwoFactorTooManyRequestsError while either is locked; nothing is charged then.
   * @internal
   */
  async chargeComparison(party: LimitedParty): Promise<Charged> {
    return this.#charge(this.#failures(party, false), [], null);
  }

  /**
   * Before a confirmation is made or sent: its pending slot and its message, if neither token nor subject is locked.
   *
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError; nothing is charged then.
   * @internal
   */
  async chargeRequest(request: LimitedRequest): Promise<Charged> {
    const { opens } = request;
    const places = opens ? this.#places(request, opens.ttlMs) : [];
    return this.#charge(this.#fixed(request), places, opens?.id ?? null);
  }

  /**
   * Before a confirmation is made in a transaction of the application, which is the application's own decision: only
   * whether token or subject are locked. A place would keep others waiting for the end of that transaction.
   *
   * @throws TwoFactorTooManyRequestsError
   * @internal
   */
  async assertUnlocked(party: LimitedParty, manager: EntityManager): Promise<void> {
    const failures = this.#failures(party, true);
    if (failures.length === 0) return;
    const keys = failures.map(({ key }) => key);
    const levels = await this.#ask(() => this.store.read(keys, manager));
    const now = this.options.clock.now();
    const worst = this.#worst(
      failures,
      levels.filter((level) =>
        isSpent(
          level,
          failures.find(({ key }) => key === level.key)!,
          now,
        ),
      ),
    );
    if (worst !== null) throw this.#refusal(worst);
  }

  /**
   * What was charged for did not happen. Never throws: what is not given back is lost, which is the safe side.
   *
   * @internal
   */
  async giveBack({ charges }: Pick<Charged, 'charges'>): Promise<void> {
    const spent = charges.filter(({ checkOnly }) => !checkOnly);
    if (spent.length > 0) await this.#tryTo(() => this.store.giveBack(spent));
  }

  /**
   * The message is not sent, but the confirmation lives on: it keeps its place.
   *
   * @internal
   */
  async giveMessageBack({ charges }: Charged): Promise<void> {
    await this.giveBack({ charges: charges.filter(({ limit }) => limit.startsWith('sends-')) });
  }

  /**
   * What a right code ends.
   *
   * @internal
   */
  settlement(party: LimitedParty, id: string): Settlement {
    const failures = this.#failures(party, false).map(({ key }) => key);
    return { keys: [...failures, ...this.#placeKeys(party)].toSorted(), holder: holderOf(id) };
  }

  /**
   * A confirmation has ended without a right code: its pending slot is free. Never throws, as `giveBack`.
   *
   * @internal
   */
  async end(party: LimitedParty, id: string): Promise<void> {
    await this.#tryTo(async () => {
      const keys = this.#placeKeys(party).toSorted();
      if (keys.length > 0) await this.store.clear(keys, holderOf(id));
    });
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
   * What a statement that charges by itself has charged for a wrong code.
   *
   * @param locks those of its budgets that lock now.
   * @internal
   */
  charged({ locks, party }: { locks: readonly LimitLevel[]; party: () => LimitedParty }): Charged {
    return { charges: locks.length === 0 ? [] : this.#failures(party(), false), levels: locks };
  }

  /**
   * Until when a failure that was just charged locks, by scope; `null` for good.
   *
   * @internal
   */
  locksOf({ charges, levels }: Charged): { scope: 'token' | 'subject'; until: Date | null }[] {
    const now = this.options.clock.now();
    const scopes = [
      ['token', 'token-failures'],
      ['subject', 'subject-failures'],
    ] as const;
    return scopes.flatMap(([scope, limit]) => {
      // Under several secrets one failure is counted several times; the longest lock is the one that holds.
      const locks = charges
        .filter((charge) => charge.limit === limit)
        .flatMap((charge) => {
          const level = levels.find(({ key }) => key === charge.key);
          if (level === undefined || !isSpent(level, charge, now)) return [];
          return [level.amount >= charge.rule.max ? Number.POSITIVE_INFINITY : level.endsAt];
        });
      if (locks.length === 0) return [];
      const until = Math.max(...locks);
      return [{ scope, until: Number.isFinite(until) ? new Date(until) : null }];
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
    places: readonly (readonly Budget[])[],
    id: string | null,
  ): Promise<Charged> {
    if (fixed.length === 0 && places.length === 0) return NOTHING;
    const holder = id === null ? NOBODY : holderOf(id);
    let soonest: Refusal | null = null;
    // Any of the places will do: the next one is tried when only the place was refused.
    for (const place of places.length > 0 ? places : [[]]) {
      const charges = [...fixed, ...place].toSorted(byKey);
      const { refused, charged } = await this.#ask(() => this.store.charge(charges, holder));
      if (refused.length === 0) return { charges, levels: charged };
      const worst = this.#worst(fixed, refused);
      if (worst !== null) throw this.#refusal(worst);
      const taken = this.#worst(place, refused);
      if (soonest === null || (taken?.waitMs ?? 0) < (soonest.waitMs ?? 0)) soonest = taken;
    }
    throw this.#refusal(soonest!);
  }

  /**
   * What `end` and `settle` would free, for a statement that does it by itself: it names itself so.
   *
   * @internal
   */
  holderOf(id: string): string {
    return holderOf(id);
  }

  /** What is charged whichever place it gets. */
  #fixed(request: LimitedRequest): Budget[] {
    const { sends } = request;
    return [...this.#failures(request, true), ...(sends ? this.#sends(request, sends) : [])];
  }

  /** The refusal that lasts longest. */
  #worst(charges: readonly Budget[], refused: readonly LimitLevel[]): Refusal | null {
    const now = this.options.clock.now();
    const refusals = refused.flatMap((level): Refusal[] => {
      const charge = charges.find(({ key }) => key === level.key);
      return charge ? [{ limit: charge.limit, waitMs: waitMs(level, charge, now) }] : [];
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
    return [
      ...(token === null
        ? []
        : this.#budgets('token-failures', rule, checkOnly, 'token', this.#canonical(token))),
      ...(subject === ''
        ? []
        : this.#budgets('subject-failures', rule, checkOnly, 'subject', subject)),
    ];
  }

  /**
   * One budget under each secret of the ring: instances that do not know the new one yet count the same, and what is
   * counted from now on is not lost when the old one goes.
   */
  #budgets(
    limit: LimitName,
    rule: Budget['rule'],
    checkOnly: boolean,
    ...parts: readonly string[]
  ): Budget[] {
    return this.options.keyRing.keys.map((ringKey) => ({
      key: limitKey(ringKey, ...parts),
      rule,
      limit,
      checkOnly,
    }));
  }

  #failureRule(): FailureRule | null {
    const { failures } = this.options.limits;
    if (failures === null) return null;
    const { lockAfter, lockMs, maxLockMs, permanentLockAfter } = failures;
    return { kind: 'failures', max: permanentLockAfter, lockAfter, lockMs, maxLockMs };
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
    { way, requester }: { readonly way: string; readonly requester: string | undefined },
  ): Budget[] {
    const { sendsPerRequester, sendsPerSender, sendsInTotal } = this.options.limits;
    return [
      ...(token === null ? [] : this.#sendsPerToken(token)),
      ...(requester === undefined
        ? []
        : this.#windows('sends-per-requester', sendsPerRequester, canonicalRequester(requester))),
      ...this.#windows('sends-per-sender', sendsPerSender, way),
      ...this.#windows('sends-in-total', sendsInTotal, ''),
    ];
  }

  #sendsPerToken(token: string): Budget[] {
    const { sendsPerToken } = this.options.limits;
    if (sendsPerToken.length === 0) return [];
    return this.#windows('sends-per-token', sendsPerToken, this.#canonical(token));
  }

  #windows(limit: LimitName, rules: readonly SendBudget[], value: string): Budget[] {
    return rules.flatMap(({ max, perSeconds }) => {
      const rule = { kind: 'window', max, windowMs: perSeconds * 1_000 } as const;
      return this.#budgets(limit, rule, false, limit, String(perSeconds), value);
    });
  }

  #placeKeys(party: LimitedParty): string[] {
    return this.#places(party, 0).flatMap((place) => place.map(({ key }) => key));
  }

  /** A confirmation for nobody and to nowhere takes no place. */
  #places({ token, subject, purpose }: LimitedParty, ttlMs: number): Budget[][] {
    const { pending } = this.options.limits;
    if (pending === null || (subject === '' && token === null)) return [];
    const whose = subject === '' ? ['token', this.#canonical(token!)] : ['subject', subject];
    const rule = { kind: 'window', max: 1, windowMs: ttlMs } as const;
    return Array.from({ length: pending }, (_, place) =>
      this.#budgets('pending', rule, false, 'pending', purpose, ...whose, String(place)),
    );
  }

  #canonical(token: string): string {
    const { normalizeToken: own = canonicalToken } = this.options.limits;
    let canonical: unknown;
    try {
      canonical = own(token);
    } catch {
      // Its words may quote the token.
      throw new TwoFactorConfigurationError(
        'The option limits.normalizeToken threw. Let it answer.',
      );
    }
    if (typeof canonical === 'string' && canonical !== '') return canonical;
    throw new TwoFactorConfigurationError(
      `The option limits.normalizeToken answered ${canonical === '' ? 'nothing' : `a ${typeof canonical}`}. Let it ` +
        'answer a string, and at once.',
    );
  }

  #key(...parts: readonly string[]): string {
    return limitKey(this.options.keyRing.current, ...parts);
  }

  #refusal({ limit, waitMs: wait }: Refusal): Error {
    const seconds = wait === null ? null : Math.max(1, Math.ceil(wait / 1_000));
    if (OURS.has(limit)) {
      const retryAfterSeconds = seconds ?? 1;
      return new TwoFactorUnavailableError(
        `The messages of the budget ${limit} are used up. Raise it under limits, or wait ${retryAfterSeconds} seconds.`,
        { retryAfterSeconds, limit },
      );
    }
    return new TwoFactorTooManyRequestsError(this.#sentence(limit, seconds), seconds, limit);
  }

  #sentence(limit: LimitName, seconds: number | null): string {
    if (seconds === null) {
      return `Too many wrong codes in a row (${limit}). Only LimitService.reset() helps.`;
    }
    if (limit === 'pending') {
      return (
        `There are ${this.options.limits.pending} pending confirmations of this subject or token and purpose (limits.pending). ` +
        `Confirm, cancel or resend one of them, or try again in ${seconds} seconds.`
      );
    }
    return `The limit ${limit} is reached. Try again in ${seconds} seconds.`;
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (error instanceof TwoFactorError) throw error;
      const cause = new Error(error instanceof Error ? error.message : 'unknown');
      throw new TwoFactorUnavailableError('The limit store does not answer. Try again.', {
        cause,
      });
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

/** Not the id itself: whoever reads the budgets must not be able to touch the confirmation. It is too random to be guessed. */
function holderOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, HOLDER_LENGTH);
}

interface Refusal {
  readonly limit: LimitName;
  readonly waitMs: number | null;
}

/** All that a call charges is locked in this one order. */
function byKey(one: LimitCharge, other: LimitCharge): number {
  return one.key < other.key ? -1 : 1;
}
