import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { limitKey } from '../crypto/index.js';
import { databaseTimeoutError, type Deadline, type SqlValues } from '../database/index.js';
import { messageAndCauseOf } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions, TWO_FACTOR_LIMIT_STORE } from '../two-factor.tokens.js';
import { locksOf, type LockReport } from './lock-report.js';
import { orUnavailable } from './or-unavailable.js';
import { Destinations } from './prefixes/destinations.js';
import { PrefixLedger } from './prefixes/prefix-ledger.js';
import type {
  CreationPlan,
  CreationQuota,
  PendingSlotRequest,
  QuotaDemand,
  QuotaKeys,
  QuotaReceipt,
} from './quota-demand.js';
import type { NamedQuota } from './named-quota.js';
import { QuotaPlanner, type QuotaScope } from './quota-planner.js';
import {
  exhaustedOf,
  longestWait,
  refusalError,
  refusalOrder,
  shortestWait,
  type Refusal,
} from './quota-refusal.js';
import { checkedLimitStore } from './store/checked-limit-store.js';
import type { ConsumeOptions, DatabaseConsumeResult } from './store/consume-options.js';
import { DatabaseLimitStore } from './store/database-limit.store.js';
import { quotaRow, failureRuleValues, type QuotaRow } from './store/dialects/quota-values.js';
import type { LimitClauses } from './store/dialects/limit-clauses.js';
import type { LimitJoins } from './store/dialects/limit-joins.js';
import { lockMsAfter } from './store/limit-rules.js';
import type { LimitStore, QuotaRequest, QuotaUsage } from './store/limit-store.interface.js';
import { byKey } from './store/quota-order.js';
import { NO_OWNER, ownerHashOf } from './store/slot-owner.js';

/**
 * A limit store whose `consume` takes options beside the two arguments of the interface. `DatabaseLimitStore` saves statements by
 * them; a store of the application ignores them.
 */
interface LimitStoreWithOptions extends LimitStore {
  consume(
    charges: readonly QuotaRequest[],
    owner: string,
    options?: ConsumeOptions,
  ): Promise<DatabaseConsumeResult>;
}

const EMPTY_RECEIPT: QuotaReceipt = { charges: [], levels: [] };

/** Whether an attempt at a code changes any quota: it counts a failure, resets the count, or frees a pending slot. */
export function limitsApplyToVerify({ limits: { failures, pending } }: ResolvedOptions): boolean {
  return failures !== null || pending !== null;
}

/**
 * Consumes all quotas that a call needs at once, before the attempt or message that they limit, and refunds them when that does not
 * happen. A store that does not respond refuses the call: otherwise an outage of the store would switch all limits off.
 */
@Injectable()
export class QuotaLedger {
  readonly planner: QuotaPlanner;
  readonly destinations: Destinations;
  /** `null` where no prefix of phone numbers is counted. */
  readonly prefixes: PrefixLedger | null;
  readonly #logger = new Logger(QuotaLedger.name);
  readonly #clauseValues: SqlValues;
  private readonly store: LimitStoreWithOptions;

  constructor(
    @Inject(TWO_FACTOR_LIMIT_STORE) store: LimitStore,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.store = checkedLimitStore(store, options.databaseTimeoutMs);
    this.destinations = new Destinations(options);
    this.prefixes = PrefixLedger.open(this.store, this.destinations, options);
    this.planner = new QuotaPlanner(options, this.prefixes);
    const rule = this.planner.failureRule;
    const kids = options.keyRing.keys.map(({ kid }) => kid);
    this.#clauseValues = {
      ...failureRuleValues(rule ?? undefined),
      ring: [...kids, rule === null ? 'off' : 'on'].join(','),
    };
  }

  /**
   * Parts of the statements of the confirmations that consume quotas by themselves; `null` where the quotas are kept
   * elsewhere, or by an engine that cannot do it.
   */
  get clauses(): LimitClauses | null {
    return this.store instanceof DatabaseLimitStore ? this.store.clauses : null;
  }

  /** Parts of the UPDATE by which MySQL and MariaDB charge the quotas of an attempt; `null` in all other cases. */
  get joins(): LimitJoins | null {
    return this.store instanceof DatabaseLimitStore ? this.store.joins : null;
  }

  /**
   * Values of the `clauses`, the same for all calls. The failure keys of a confirmation begin with `ring`, which tells
   * whether they were made under the current secrets and rules.
   */
  get clauseValues(): SqlValues {
    return this.#clauseValues;
  }

  /**
   * The quotas that the statement which inserts a confirmation consumes with it: those of its message, and one of the free
   * pending slots (a candidate for each slot).
   */
  planCreation(demand: QuotaDemand & { readonly opens: PendingSlotRequest }): CreationPlan {
    const unconditional = this.planner.requestQuotas(demand, demand.sends, demand.unsent);
    const slots = this.#pendingSlotCandidates(demand);
    const owner = ownerHashOf(demand.opens.id);
    const candidates = (slots.length > 0 ? slots : [[]]).map((slot): CreationQuota => {
      const charges = [...unconditional, ...slot];
      const rows = (now: number): QuotaRow[] => charges.map((quota) => quotaRow(quota, now));
      return { charges, owner, rows, exclusive: slot.map(({ key }) => key) };
    });
    return { unconditional, slots, candidates };
  }

  /** The error for a new confirmation whose statements found quotas exhausted. */
  creationError({ unconditional, slots }: CreationPlan, exhausted: readonly QuotaUsage[]): Error {
    const now = this.options.clock.now();
    const refusal =
      longestWait(unconditional, exhausted, now) ??
      shortestWait(slots.flatMap((slot) => longestWait(slot, exhausted, now) ?? []));
    return this.#refusalError(refusal!);
  }

  /** The error for an attempt that a statement refused because of these failure quotas. */
  lockError(scope: QuotaScope, exhausted: readonly QuotaUsage[]): Error {
    const [quota] = this.planner.failureQuotas(scope, false);
    // By the keys that the statement found rather than by those of now: they differ while normalizeToken is being changed.
    const quotas = quota === undefined ? [] : exhausted.map(({ key }) => ({ ...quota, key }));
    const refusal = longestWait(quotas, exhausted, this.options.clock.now());
    return this.#refusalError(refusal ?? { limit: 'failures', waitMs: 0, exactMs: 0 });
  }

  /** The quotas of which a wrong code consumes one failure. */
  failureQuotasOf(scope: QuotaScope): QuotaReceipt['charges'] {
    return this.planner.failureQuotas(scope, false);
  }

  /** The keys of the failures and of the pending slot among the quotas of a confirmation, as its row stores them. */
  quotaKeys(charges: QuotaReceipt['charges']): QuotaKeys {
    if (this.clauses === null && this.joins === null) return { failureKeys: null, slotKeys: null };
    // The row of a confirmation that begins with a method beside codes has no failure keys. The first sent code finds them missing, and
    // writes its own.
    const isOfMethod = charges.some((quota) => quota.isOfMethod);
    const keysOf = (limit: string): string =>
      charges
        .filter((quota) => quota.limit === limit)
        .map(({ key }) => key)
        .join(',');
    return {
      failureKeys:
        this.clauses === null || isOfMethod
          ? null
          : `${this.#clauseValues['ring']}|${keysOf('failures')}`,
      slotKeys: keysOf('pending') || null,
    };
  }

  /**
   * Consumes one failure of the phone number or address, or of the subject together with it, before a code is compared. Without
   * it, concurrent guesses would be compared before any of them is counted.
   *
   * @throws TwoFactorTooManyRequestsError while a lock lasts, TwoFactorUnavailableError when the deadline has expired meanwhile, so
   * that nothing will be compared; nothing stays consumed then.
   */
  async consumeFailure(scope: QuotaScope, deadline?: Deadline): Promise<QuotaReceipt> {
    const quotas = this.planner.failureQuotas(scope, false);
    const receipt = await this.#consume(quotas, [], null, { deadline, reportsUsage: true });
    if (!deadline?.expired) return receipt;
    await this.refund(receipt);
    throw databaseTimeoutError();
  }

  /**
   * Consumes the pending slot or the message before a confirmation is created or sent, unless the phone number or address is
   * locked.
   *
   * @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError; nothing is consumed then.
   */
  async consumeForRequest(demand: QuotaDemand, deadline?: Deadline): Promise<QuotaReceipt> {
    return this.retryPrefixRefusal(demand, () => {
      const unconditional = this.planner.requestQuotas(demand, demand.sends, demand.unsent);
      const id = demand.opens?.id ?? null;
      const given = { deadline, reportsUsage: false };
      return this.#consume(unconditional, this.#pendingSlotCandidates(demand), id, given);
    });
  }

  /** Repeats a call that the quota of a phone prefix refused, if other instances have counted enough confirmed codes since. */
  async retryPrefixRefusal<T>(demand: QuotaDemand, work: () => Promise<T>): Promise<T> {
    if (this.prefixes === null) return work();
    const message = this.planner.prefixedMessage(demand, demand.sends?.way);
    return this.prefixes.retryAfterRefusal(message, work);
  }

  /**
   * Only checks for a lock, for a confirmation that is created in a transaction of the application. If it took a pending slot, other
   * calls would wait for the end of that transaction.
   *
   * @throws TwoFactorTooManyRequestsError
   */
  async assertUnlocked(scope: QuotaScope, manager: EntityManager): Promise<void> {
    const failures = this.planner.failureQuotas(scope, true);
    if (failures.length === 0) return;
    const levels = await this.read(
      failures.map(({ key }) => key),
      manager,
    );
    const now = this.options.clock.now();
    const refusal = longestWait(failures, exhaustedOf(failures, levels, now), now);
    if (refusal !== null) throw this.#refusalError(refusal);
  }

  /** Refunds what a call without effect has consumed. Never throws: a unit that is not refunded is lost, which is the safe side. */
  async refund({ charges }: Pick<QuotaReceipt, 'charges'>): Promise<void> {
    const consumed = charges.filter(({ checkOnly }) => !checkOnly);
    if (consumed.length > 0) await this.#bestEffort(() => this.store.refund(consumed));
  }

  /** Refunds a message that is not sent. The confirmation lives on, and keeps its slot. */
  async refundMessage({ charges }: QuotaReceipt): Promise<void> {
    await this.refund({ charges: charges.filter(({ limit }) => limit.startsWith('sends-')) });
  }

  /** After a right code: ends the failures of the recipient or subject, and frees the pending slot of the confirmation. Never throws. */
  async resetAfterSuccess(scope: QuotaScope, id: string): Promise<void> {
    const failures = this.planner.failureQuotas(scope, false).map(({ key }) => key);
    await this.#releaseOwned([...failures, ...this.#slotKeys(scope)], id);
  }

  /** Frees the pending slot of a confirmation that ended without a right code. Never throws. */
  async releaseSlot(scope: QuotaScope, id: string): Promise<void> {
    await this.#releaseOwned(this.#slotKeys(scope), id);
  }

  /** @param levels those failure quotas of the attempt that lock now, as its statement returned them. */
  receiptOf(scope: () => QuotaScope, levels: readonly QuotaUsage[]): QuotaReceipt {
    return levels.length === 0
      ? EMPTY_RECEIPT
      : { charges: this.planner.failureQuotas(scope(), false), levels };
  }

  /** @param amount how many consecutive failures there are after the attempt; 0 after a right code. */
  failureReceipt(charges: QuotaReceipt['charges'], amount: number, now: number): QuotaReceipt {
    const { failureRule } = this.planner;
    const lockMs = failureRule === null ? 0 : lockMsAfter(amount, failureRule);
    if (lockMs === 0) return EMPTY_RECEIPT;
    const endsAt = now + lockMs;
    return { charges, levels: charges.map(({ key }) => ({ key, amount, endsAt })) };
  }

  /** The lock that a failure has caused, if it caused one. */
  locksOf(receipt: QuotaReceipt): LockReport[] {
    return locksOf(receipt, this.options.clock.now());
  }

  /** 16 hexadecimal characters that stand for a phone number or address, so that events and logs need not contain it. */
  tokenKey(token: string): string {
    const { current } = this.options.keyRing;
    return limitKey(current, 'recipient', this.planner.countedNameOf(token)).slice(0, 16);
  }

  async read(keys: readonly string[], manager?: EntityManager): Promise<readonly QuotaUsage[]> {
    return orUnavailable(() => this.store.read(keys, manager));
  }

  async release(keys: readonly string[]): Promise<void> {
    await orUnavailable(() => this.store.release(keys));
  }

  /** Forgets the counts of a phone prefix. @returns how many messages to it were counted; 0 where prefixes are not counted. */
  async resetPrefix(prefix: string): Promise<number> {
    const { prefixes } = this;
    return prefixes === null ? 0 : orUnavailable(() => prefixes.reset(prefix));
  }

  /** Deletes up to `limit` quotas of which nothing is consumed; true as long as there are more to look at. */
  async purge(limit: number): Promise<boolean> {
    return (await this.store.purge?.(limit)) ?? false;
  }

  async #consume(
    unconditional: readonly NamedQuota[],
    slots: readonly (readonly NamedQuota[])[],
    id: string | null,
    given: Pick<ConsumeOptions, 'deadline' | 'reportsUsage'>,
  ): Promise<QuotaReceipt> {
    if (unconditional.length === 0 && slots.length === 0) return EMPTY_RECEIPT;
    const owner = id === null ? NO_OWNER : ownerHashOf(id);
    const options: ConsumeOptions = {
      ...given,
      alternatives: slots.length > 0 ? slots.flat().map(({ key }) => key) : undefined,
      refusalOrder: refusalOrder(unconditional),
    };
    const taken: Refusal[] = [];
    let others: readonly QuotaUsage[] = [];
    // Any of the slots will do: the next one is tried when only the slot refused, unless the refusal has shown that it is taken too.
    for (const slot of slots.length > 0 ? slots : [[]]) {
      const lookedAt = this.options.clock.now();
      const shown = longestWait(slot, exhaustedOf(slot, others, lookedAt), lookedAt);
      if (shown !== null) {
        taken.push(shown);
        continue;
      }
      const charges = [...unconditional, ...slot].toSorted(byKey);
      const result = await orUnavailable(() => this.store.consume(charges, owner, options));
      const { exhausted, consumed } = result;
      if (exhausted.length === 0) return { charges, levels: consumed };
      others = result.others ?? [];
      const now = this.options.clock.now();
      const refusal = longestWait(unconditional, exhausted, now);
      if (refusal !== null) throw this.#refusalError(refusal);
      const slotRefusal = longestWait(slot, exhausted, now);
      if (slotRefusal !== null) taken.push(slotRefusal);
    }
    throw this.#refusalError(shortestWait(taken)!);
  }

  /** A confirmation takes a pending slot only when the application makes it without a message. Requests of clients have other quotas. */
  #pendingSlotCandidates(demand: QuotaDemand): NamedQuota[][] {
    const { opens, sends, unsent } = demand;
    const takesSlot = sends === undefined && unsent === undefined;
    return opens && takesSlot ? this.planner.slots(demand, opens.ttlMs) : [];
  }

  #slotKeys(scope: QuotaScope): string[] {
    if (!scope.hasSlot) return [];
    return this.planner.slots(scope, 0).flatMap((slot) => slot.map(({ key }) => key));
  }

  async #releaseOwned(keys: readonly string[], id: string): Promise<void> {
    if (keys.length === 0) return;
    await this.#bestEffort(() => this.store.release(keys.toSorted(), ownerHashOf(id)));
  }

  #refusalError(refusal: Refusal): Error {
    const { pending } = this.options.limits;
    return refusalError(refusal, { now: this.options.clock.now(), pending });
  }

  async #bestEffort(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.warn(`A quota stays charged: ${messageAndCauseOf(error)}`);
    }
  }
}
