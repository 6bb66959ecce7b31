import { createHash } from 'node:crypto';

import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { limitKey } from '../crypto/index.js';
import type { SqlValues } from '../database/index.js';
import {
  TwoFactorError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type LimitName,
} from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions, TWO_FACTOR_LIMIT_STORE } from '../two-factor.tokens.js';
import { checkedLimitStore } from './store/checked-limit-store.js';
import { DatabaseLimitStore } from './store/database-limit.store.js';
import { chargeRow, failureValues, type ChargeRow } from './store/dialects/charge-values.js';
import type { LimitClauses } from './store/dialects/limit-clauses.js';
import { isExhausted, isActive, waitMs } from './store/limit-rules.js';
import type { QuotaRequest, QuotaUsage, LimitStore } from './store/limit-store.interface.js';
import {
  QuotaPlanner,
  type NamedQuota,
  type FailureScope,
  type LimitedMessage,
  type QuotaScope,
} from './quota-planner.js';

/** A new confirmation, a message, or both. */
export interface QuotaDemand extends QuotaScope {
  /** The confirmation that is made. Without a message it takes one of the pending slots. */
  readonly opens?: PendingSlotRequest | undefined;
  readonly sends?: LimitedMessage | undefined;
}

/** A confirmation that is about to live. */
export interface PendingSlotRequest {
  readonly id: string;
  readonly ttlMs: number;
}

/** Consecutive wrong codes of a token, or of a subject and a token. */
export interface FailureCount {
  readonly count: number;
  /** `null` when it is not locked, or stopped for good. */
  readonly lockedUntil: Date | null;
  /** Whether only `reset()` ends the lock. */
  readonly isPermanentlyLocked: boolean;
}

/** What a call has charged, to be given back if what it was for does not happen. */
export interface QuotaReceipt {
  readonly charges: readonly NamedQuota[];
  readonly levels: readonly QuotaUsage[];
}

/** What a success ends: the failures of its token, and its pending slot. */
export interface ResetOnSuccess {
  readonly keys: readonly string[];
  readonly owner: string;
}

/** What a new confirmation charges in its own statement. */
export interface CreationQuota {
  readonly charges: readonly NamedQuota[];
  readonly owner: string;
  readonly rows: (now: number) => readonly ChargeRow[];
  /** The keys of its place: of two calls that want it one gets it. */
  readonly exclusive: readonly string[];
}

/** Where a confirmation is counted, for its own statements; `null` for nowhere. */
export type QuotaKeys = {
  readonly failureKeys: string | null;
  readonly slotKeys: string | null;
};

/** Whether a confirmation must be known before its code is compared. */
export function limitsApplyToVerify({ limits: { failures, pending } }: ResolvedOptions): boolean {
  return failures !== null || pending !== null;
}

const NOTHING: QuotaReceipt = { charges: [], levels: [] };
const OWNER_LENGTH = 16;
/** Of what belongs to no confirmation in particular. */
const NO_OWNER = '0'.repeat(OWNER_LENGTH);
/** The client did nothing wrong. */
const SERVER_SIDE_LIMITS: ReadonlySet<LimitName> = new Set(['sends-per-sender', 'sends-in-total']);

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
  readonly #planner: QuotaPlanner;
  private readonly store: LimitStore;

  /** @internal It is injected. */
  constructor(
    @Inject(TWO_FACTOR_LIMIT_STORE) store: LimitStore,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.store = checkedLimitStore(store, options.databaseTimeoutMs);
    this.#planner = new QuotaPlanner(options);
    const rule = this.#planner.failureRule;
    const kids = options.keyRing.keys.map(({ kid }) => kid);
    this.#clauseValues = {
      ...failureValues(rule ?? undefined),
      ring: [...kids, rule === null ? 'off' : 'on'].join(','),
    };
  }

  /**
   * Ends the lock, also the permanent one, and the messages of a token that clients name, or of a subject and the token
   * that the application names for it. The two are counted apart: `reset({ token })` does not reach what was counted for a
   * subject. Writes a line to the log.
   *
   * @param scope `{ token }`, or `{ subject, token }`; `{ subject }` for codes that the application delivers itself.
   * @throws TwoFactorInputError for anything else.
   */
  async reset(scope: FailureScope): Promise<void> {
    const failures = this.#planner.failureKeys(scope);
    const messages = this.#planner.messageKeys(scope);
    // Two calls, because all other statements lock failures before windows, whatever their keys are.
    await this.#orUnavailable(() => this.store.release(failures));
    if (messages.length > 0) await this.#orUnavailable(() => this.store.release(messages));
    const recipient = scope.token === undefined ? '' : ` recipient ${this.tokenKey(scope.token)}`;
    const owner = scope.subject === undefined ? '' : ' a subject and';
    this.#logger.log(`The limits of${owner}${recipient || ' its codes'} were reset by hand.`);
  }

  /**
   * How many wrong codes in a row were compared.
   *
   * @param scope as of `reset`.
   * @throws TwoFactorInputError for anything else.
   */
  async failures(scope: FailureScope): Promise<FailureCount> {
    const keys = this.#planner.failureKeys(scope);
    const levels = await this.#orUnavailable(() => this.store.read(keys));
    const rule = this.#planner.failureRule;
    const now = this.options.clock.now();
    // Each failure is counted under each secret.
    const count = Math.max(0, ...levels.map(({ amount }) => amount));
    const isPermanentlyLocked = rule !== null && levels.some(({ amount }) => amount >= rule.max);
    const locks = levels.filter((level) => rule !== null && isActive(level, rule, now));
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
  creationQuota(request: QuotaDemand & { readonly opens: PendingSlotRequest }): CreationQuota {
    const [place = []] = this.#slots(request);
    const charges = [...this.#planner.request(request, request.sends), ...place];
    const rows = (now: number): ChargeRow[] => charges.map((charge) => chargeRow(charge, now));
    return {
      charges,
      rows,
      owner: ownerOf(request.opens.id),
      exclusive: place.map(({ key }) => key),
    };
  }

  /**
   * What is charged for a wrong code.
   *
   * @internal
   */
  failuresOf(party: QuotaScope): QuotaReceipt['charges'] {
    return this.#planner.failures(party, false);
  }

  /**
   * Where a confirmation is counted, by its failures and its place among the charges.
   *
   * @internal
   */
  quotaKeys(charges: QuotaReceipt['charges']): QuotaKeys {
    if (this.clauses === null) return { failureKeys: null, slotKeys: null };
    const keysOf = (kind: RegExp): string =>
      charges
        .filter(({ limit }) => kind.test(limit))
        .map(({ key }) => key)
        .join(',');
    return {
      failureKeys: `${this.#clauseValues['ring']}|${keysOf(/^failures$/)}`,
      slotKeys: keysOf(/^pending$/) || null,
    };
  }

  /**
   * Before a code is compared: one failure of the token, or of the subject and its token.
   *
   * @throws TwoFactorTooManyRequestsError while it is locked; nothing is charged then.
   * @internal
   */
  async consumeFailure(party: QuotaScope): Promise<QuotaReceipt> {
    return this.#consume(this.#planner.failures(party, false), [], null);
  }

  /**
   * Before a confirmation is made or sent: its pending slot or its message, if the token is not locked.
   *
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError; nothing is charged then.
   * @internal
   */
  async consumeForRequest(request: QuotaDemand): Promise<QuotaReceipt> {
    const fixed = this.#planner.request(request, request.sends);
    return this.#consume(fixed, this.#slots(request), request.opens?.id ?? null);
  }

  /**
   * Before a confirmation is made in a transaction of the application, which is the application's own decision: only
   * whether the token is locked. A place would keep others waiting for the end of that transaction.
   *
   * @throws TwoFactorTooManyRequestsError
   * @internal
   */
  async assertUnlocked(party: QuotaScope, manager: EntityManager): Promise<void> {
    const failures = this.#planner.failures(party, true);
    if (failures.length === 0) return;
    const keys = failures.map(({ key }) => key);
    const levels = await this.#orUnavailable(() => this.store.read(keys, manager));
    const now = this.options.clock.now();
    const worst = this.#longestWait(
      failures,
      levels.filter((level) =>
        isExhausted(
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
  async refund({ charges }: Pick<QuotaReceipt, 'charges'>): Promise<void> {
    const spent = charges.filter(({ checkOnly }) => !checkOnly);
    if (spent.length > 0) await this.#bestEffort(() => this.store.refund(spent));
  }

  /**
   * The message is not sent, but the confirmation lives on: it keeps its place.
   *
   * @internal
   */
  async refundMessage({ charges }: QuotaReceipt): Promise<void> {
    await this.refund({ charges: charges.filter(({ limit }) => limit.startsWith('sends-')) });
  }

  /**
   * What a right code ends.
   *
   * @internal
   */
  resetOnSuccess(party: QuotaScope, id: string): ResetOnSuccess {
    const failures = this.#planner.failures(party, false).map(({ key }) => key);
    return { keys: [...failures, ...this.#slotKeys(party)].toSorted(), owner: ownerOf(id) };
  }

  /**
   * A confirmation has ended without a right code: its pending slot is free. Never throws, as `refund`.
   *
   * @internal
   */
  async releaseSlot(party: QuotaScope, id: string): Promise<void> {
    await this.#bestEffort(async () => {
      const keys = this.#slotKeys(party).toSorted();
      if (keys.length > 0) await this.store.release(keys, ownerOf(id));
    });
  }

  /**
   * Never throws, as `refund`.
   *
   * @internal
   */
  async resetAfterSuccess({ keys, owner }: ResetOnSuccess): Promise<void> {
    if (keys.length > 0) await this.#bestEffort(() => this.store.release(keys, owner));
  }

  /**
   * What a statement that charges by itself has charged for a wrong code.
   *
   * @param locks those of its budgets that lock now.
   * @internal
   */
  charged({
    locks,
    party,
  }: {
    locks: readonly QuotaUsage[];
    party: () => QuotaScope;
  }): QuotaReceipt {
    return {
      charges: locks.length === 0 ? [] : this.#planner.failures(party(), false),
      levels: locks,
    };
  }

  /**
   * Until when a failure that was just charged locks, by scope; `null` for good.
   *
   * @internal
   */
  locksOf({ charges, levels }: QuotaReceipt): { scope: 'token' | 'subject'; until: Date | null }[] {
    const now = this.options.clock.now();
    // Under several secrets one failure is counted several times; the longest lock is the one that holds.
    const locks = charges.flatMap((charge) => {
      const level = levels.find(({ key }) => key === charge.key);
      if (level === undefined || !isExhausted(level, charge, now)) return [];
      return [level.amount >= charge.rule.max ? Number.POSITIVE_INFINITY : level.endsAt];
    });
    const [charge] = charges;
    if (charge === undefined || locks.length === 0) return [];
    const until = Math.max(...locks);
    const scope = charge.limitClass === 'open' ? 'token' : 'subject';
    return [{ scope, until: Number.isFinite(until) ? new Date(until) : null }];
  }

  /**
   * 16 hexadecimal characters that stand for a token.
   *
   * @internal
   */
  tokenKey(token: string): string {
    return limitKey(
      this.options.keyRing.current,
      'recipient',
      this.#planner.normalize(token),
    ).slice(0, 16);
  }

  /**
   * Forgets budgets of which nothing is spent, `limit` at a time; true as long as there are more to look at.
   *
   * @internal
   */
  async purge(limit: number): Promise<boolean> {
    return (await this.store.purge?.(limit)) ?? false;
  }

  async #consume(
    fixed: readonly NamedQuota[],
    places: readonly (readonly NamedQuota[])[],
    id: string | null,
  ): Promise<QuotaReceipt> {
    if (fixed.length === 0 && places.length === 0) return NOTHING;
    const owner = id === null ? NO_OWNER : ownerOf(id);
    let soonest: Refusal | null = null;
    // Any of the places will do: the next one is tried when only the place was refused.
    for (const place of places.length > 0 ? places : [[]]) {
      const charges = [...fixed, ...place].toSorted(byKey);
      const { exhausted: refused, consumed: charged } = await this.#orUnavailable(() =>
        this.store.consume(charges, owner),
      );
      if (refused.length === 0) return { charges, levels: charged };
      const worst = this.#longestWait(fixed, refused);
      if (worst !== null) throw this.#refusal(worst);
      const taken = this.#longestWait(place, refused);
      if (soonest === null || (taken?.waitMs ?? 0) < (soonest.waitMs ?? 0)) soonest = taken;
    }
    throw this.#refusal(soonest!);
  }

  /**
   * What `end` and `settle` would free, for a statement that does it by itself: it names itself so.
   *
   * @internal
   */
  ownerOf(id: string): string {
    return ownerOf(id);
  }

  /** Only a confirmation that is made without a message takes a pending slot: messages are bounded by their own quotas. */
  #slots(request: QuotaDemand): NamedQuota[][] {
    const { opens, sends } = request;
    return opens && sends === undefined ? this.#planner.slots(request, opens.ttlMs) : [];
  }

  #slotKeys(party: QuotaScope): string[] {
    if (!party.hasSlot) return [];
    return this.#planner.slots(party, 0).flatMap((slot) => slot.map(({ key }) => key));
  }

  /** The refusal that lasts longest. */
  #longestWait(charges: readonly NamedQuota[], refused: readonly QuotaUsage[]): Refusal | null {
    const now = this.options.clock.now();
    const refusals = refused.flatMap((level): Refusal[] => {
      const charge = charges.find(({ key }) => key === level.key);
      if (charge === undefined) return [];
      const exactMs = waitMs(level, charge, now);
      return [{ limit: charge.limit, waitMs: reportedWaitMs(charge, exactMs), exactMs }];
    });
    const length = (refusal: Refusal): number => refusal.waitMs ?? Number.POSITIVE_INFINITY;
    return (
      refusals.toSorted(
        (one, other) => length(other) - length(one) || one.limit.localeCompare(other.limit),
      )[0] ?? null
    );
  }

  /**
   * The one spelling of a token under which it is counted.
   *
   * @internal
   */
  normalize(token: string): string {
    return this.#planner.normalize(token);
  }

  #refusal({ limit, waitMs: wait, exactMs }: Refusal): Error {
    const seconds = wait === null ? null : Math.max(1, Math.ceil(wait / 1_000));
    if (SERVER_SIDE_LIMITS.has(limit)) {
      const retryAfterSeconds = seconds ?? 1;
      return new TwoFactorUnavailableError(
        `The messages of the budget ${limit} are used up. Raise it under limits, or wait ${retryAfterSeconds} seconds.`,
        { retryAfterSeconds, limit, limitEndsAt: this.options.clock.now() + (exactMs ?? 0) },
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
        `Confirm or cancel one of them, or try again in ${seconds} seconds.`
      );
    }
    return `The limit ${limit} is reached. Try again in ${seconds} seconds.`;
  }

  async #orUnavailable<T>(question: () => Promise<T>): Promise<T> {
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

  async #bestEffort(work: () => Promise<unknown>): Promise<void> {
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
function ownerOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, OWNER_LENGTH);
}

const COARSE_WAIT_MS = 300_000;

/**
 * The wait that the refusal reports. Strangers share the counters of the class `open`, so that it is rounded up to five
 * minutes, but not beyond the window: the exact time would tell one stranger when another one asked for a code or guessed
 * at one.
 */
function reportedWaitMs(
  { limit, limitClass, rule }: NamedQuota,
  wait: number | null,
): number | null {
  if (wait === null || limitClass === 'bound') return wait;
  const coarse = Math.ceil(wait / COARSE_WAIT_MS) * COARSE_WAIT_MS;
  // A pending slot may be taken for longer than this confirmation lives.
  if (rule.kind === 'failures' || limit === 'pending') return coarse;
  return Math.max(wait, Math.min(coarse, rule.windowMs));
}

interface Refusal {
  readonly limit: LimitName;
  /** As it is reported; `null` when waiting does not help. */
  readonly waitMs: number | null;
  readonly exactMs: number | null;
}

/** All that a call charges is locked in this one order. */
function byKey(one: QuotaRequest, other: QuotaRequest): number {
  return one.key < other.key ? -1 : 1;
}
