import { databaseTimeoutError, isNotCommitted } from '../../database/index.js';
import { TwoFactorTooManyRequestsError } from '../../errors/index.js';
import {
  limitOfError,
  limitsApplyToVerify,
  type QuotaLedger,
  type QuotaReceipt,
} from '../../limits/index.js';
import { purposeAccess, type PurposeAccess, type ResolvedOptions } from '../../options/index.js';
import { pollBriefly } from './poll-briefly.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { statusOf } from '../model/confirmation-status.js';
import { hasComparableCode } from '../model/has-comparable-code.js';
import { isAccessible } from '../model/is-accessible.js';
import type { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import type {
  ConfirmationWriter,
  Creation,
  CreationRequest,
  Verification,
  VerificationRequest,
} from './confirmation-writer.js';
import type { ConfirmationStore } from './confirmation.store.js';

/**
 * Consumes quotas first, writes the confirmation second, and refunds when the write did not happen. For engines and limit
 * stores that cannot do both in one statement, and for confirmations in a transaction of the application.
 */
export class StepwiseWriter implements ConfirmationWriter {
  readonly #access: PurposeAccess;
  readonly #isVerifyLimited: boolean;

  constructor(
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly options: ResolvedOptions,
  ) {
    this.#access = purposeAccess(options);
    this.#isVerifyLimited = limitsApplyToVerify(options);
  }

  async create(request: CreationRequest): Promise<Creation> {
    const { row, demand, keyIds, manager, deadline } = request;
    // In a caller's transaction the INSERT itself finds a repeated request. A read before it would fix the snapshot of the
    // transaction, and the row of a concurrent request that commits afterwards would stay invisible.
    const earlier = await this.#findRepeated(request, manager === undefined ? 0 : 1);
    if (earlier !== null) return earlier;
    let receipt: QuotaReceipt | null = null;
    try {
      // A confirmation without a code is the application's own decision, so that a locked phone number or address does not refuse
      // it.
      if (demand !== null && manager !== undefined)
        await this.ledger.assertUnlocked(demand, manager);
      else if (demand !== null) receipt = await this.ledger.consumeForRequest(demand, deadline);
    } catch (error) {
      // A concurrent repeat may have consumed the quota, and not yet inserted its row.
      const mayBeRepeated = keyIds.length > 0 && isHeldByConcurrentRepeat(error);
      const concurrent = mayBeRepeated
        ? await pollBriefly(() => this.#findRepeated(request))
        : null;
      if (concurrent !== null) return concurrent;
      throw error;
    }
    if (deadline?.expired) {
      if (receipt) await this.ledger.refund(receipt);
      throw databaseTimeoutError();
    }
    if (await this.#insert(request, receipt)) return { outcome: 'created', receipt };
    const repeated = await this.store.find(row.id, manager ?? deadline);
    return repeated === null ? { outcome: 'invisible' } : { outcome: 'repeated', row: repeated };
  }

  async verify(request: VerificationRequest): Promise<Verification> {
    const { id, deadline, scopedSubject } = request;
    if (!this.#isVerifyLimited) return this.#compare(request, null);
    return this.store.serializeAttempts(
      id,
      async () => {
        const row = request.seen ?? (await this.store.find(id, deadline));
        if (row === null || !isAccessible(row, scopedSubject, this.#access)) {
          return { outcome: 'unknown' };
        }
        if (row.codeMac === null || statusOf(row, this.options.clock.now()) !== 'pending') {
          return { outcome: 'ended', row };
        }
        return this.#verifyLimited(request, row);
      },
      deadline,
    );
  }

  async #verifyLimited(request: VerificationRequest, row: ConfirmationRow): Promise<Verification> {
    const scope = this.scopes.scopeOf(row);
    let failure: QuotaReceipt | null = null;
    try {
      if (hasComparableCode(row, this.options.keyRing)) {
        failure = await this.ledger.consumeFailure(scope, request.deadline);
      }
    } catch (error) {
      if (error instanceof TwoFactorTooManyRequestsError) return { outcome: 'locked', row, error };
      throw error;
    }
    // An error leaves the failure charged: whether the code was compared is unknown, and a refund could make a guess free.
    const verification = await this.#compare(request, failure);
    if (verification.outcome !== 'compared') {
      if (failure) await this.ledger.refund(failure);
    } else if (verification.isConfirmed) {
      await this.ledger.resetAfterSuccess(scope, row.id);
    } else if (verification.row.attempts >= verification.row.maxAttempts) {
      await this.ledger.releaseSlot(scope, row.id);
    }
    return verification;
  }

  /** Compares the code with that of the confirmation. `failure` is the receipt of the failure that was charged before. */
  async #compare(
    { id, macs, scopedSubject, deadline }: VerificationRequest,
    failure: QuotaReceipt | null,
  ): Promise<Verification> {
    const compared = await this.store.confirm(id, macs, scopedSubject, deadline);
    if (compared !== null) return { outcome: 'compared', ...compared, failure };
    const row = await this.store.find(id, deadline);
    return row === null || !isAccessible(row, scopedSubject, this.#access)
      ? { outcome: 'unknown' }
      : { outcome: 'ended', row };
  }

  async #insert(
    { row, demand, keyIds, manager, queued, deadline }: CreationRequest,
    receipt: QuotaReceipt | null,
  ): Promise<boolean> {
    const keys =
      demand === null
        ? null
        : this.ledger.quotaKeys(receipt?.charges ?? this.ledger.failureQuotasOf(demand));
    const scope = manager ?? deadline;
    const isNew = keyIds.length === 0;
    let isInserted: boolean;
    try {
      isInserted = await this.store.insert({ ...row, ...keys }, isNew, scope, queued);
    } catch (error) {
      // Where it is unknown whether the rows are committed, a message in the queue may be sent, on the charge of this call: a refund
      // would make it free. Without a queue no message is sent after an error.
      const mayBeSent = queued !== null && !isNotCommitted(error);
      if (receipt && !mayBeSent) await this.ledger.refund(receipt);
      throw error;
    }
    if (!isInserted && receipt) await this.ledger.refund(receipt);
    return isInserted;
  }

  async #findRepeated(
    { keyIds, manager, deadline }: CreationRequest,
    from = 0,
  ): Promise<Creation | null> {
    for (const id of keyIds.slice(from)) {
      const row = await this.store.find(id, manager ?? deadline);
      if (row !== null) return { outcome: 'repeated', row };
    }
    return null;
  }
}

/** Whether the quota is one that a concurrent repeat of the same request may have just consumed. */
function isHeldByConcurrentRepeat(error: unknown): boolean {
  const { limit } = limitOfError(error) ?? {};
  return limit === 'pending' || limit?.startsWith('sends-') === true;
}
