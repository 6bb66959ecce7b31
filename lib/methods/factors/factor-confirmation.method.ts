import { Logger } from '@nestjs/common';

import {
  allowsMethod,
  isAccessible,
  statusOf,
  WrongResponse,
  type Attempt,
  type ChargedAttempt,
  type ConfirmationMethod,
  type ConfirmationRow,
  type ConfirmationStore,
  type QuotaScopeResolver,
  type Verification,
} from '../../confirmation/index.js';
import { databaseTimeoutError, isNotCommitted, type Deadline } from '../../database/index.js';
import { messageAndCauseOf, TwoFactorTooManyRequestsError } from '../../errors/index.js';
import {
  limitsApplyToVerify,
  type QuotaLedger,
  type QuotaReceipt,
  type QuotaScope,
} from '../../limits/index.js';
import { purposeAccess, type PurposeAccess, type ResolvedOptions } from '../../options/index.js';
import type { FactorEvents } from './factor-events.js';
import type {
  FactorEvidence,
  FactorMethod,
  FactorMethodName,
  SubjectFactors,
  VerificationContext,
} from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';
import type { FactorStore } from './factor.store.js';
import { contextOf, unknownSecret } from './new-factor.js';

/** What every method beside codes is given. */
export interface FactorMethodParts {
  readonly factors: FactorStore;
  readonly confirmations: ConfirmationStore;
  readonly ledger: QuotaLedger;
  readonly scopes: QuotaScopeResolver;
  readonly events: FactorEvents;
  readonly options: ResolvedOptions;
}

/**
 * Confirms by the factors of the confirmation's subject. A response that can be guessed is counted before it is compared: a
 * failure of the subject and the method, and an attempt of the confirmation. One that cannot be guessed charges nothing, and
 * no lock refuses it, so that guesses of others never lock out a person with recovery codes.
 */
export class FactorConfirmationMethod implements ConfirmationMethod {
  readonly name: FactorMethodName;
  readonly confirmedBy: FactorMethodName;
  readonly responseMember: string;
  readonly #logger = new Logger(FactorConfirmationMethod.name);
  readonly #access: PurposeAccess;
  readonly #isLimited: boolean;

  constructor(
    private readonly method: FactorMethod,
    private readonly parts: FactorMethodParts,
  ) {
    this.name = this.confirmedBy = method.name;
    this.responseMember = method.responseMember;
    this.#access = purposeAccess(parts.options);
    this.#isLimited = limitsApplyToVerify(parts.options);
  }

  parse(response: unknown): unknown {
    return this.method.parse(response);
  }

  guessOf(response: unknown): string | null {
    return this.method.guessOf(response);
  }

  async charge(_: unknown, attempt: Attempt): Promise<Verification> {
    if (!this.method.isGuessable) return this.#loadForAttempt(attempt);
    if (!this.#isLimited) return this.#charge(attempt);
    const { id, deadline } = attempt;
    return this.parts.confirmations.serializeAttempts(id, () => this.#charge(attempt), deadline);
  }

  async challenge(row: ConfirmationRow, deadline: Deadline): Promise<object | null> {
    if (this.method.challenge === undefined) return null;
    const known = await this.parts.factors.read(row.subject, deadline);
    return this.method.challenge(this.#contextOf(row, known));
  }

  async verify(
    response: unknown,
    { row, known }: ChargedAttempt,
  ): Promise<FactorEvidence | WrongResponse | null> {
    const context = this.#contextOf(row, known as SubjectFactors);
    const evidence = await this.method.verify(response, context);
    if (evidence === null || evidence instanceof WrongResponse)
      await this.#releaseSlotIfExhausted(row);
    return evidence;
  }

  async settle(
    { factor, write, counter, refusal }: FactorEvidence,
    { row, failure, deadline }: ChargedAttempt,
  ): Promise<ConfirmationRow | null> {
    const { factors, ledger, events } = this.parts;
    if (refusal !== undefined) {
      await this.#reportSuspectedCopy(factor, row, deadline);
      return null;
    }
    const settlement = {
      id: row.id,
      method: this.name,
      factorId: factor.id,
      activatedAt: factor.activatedAt!,
      write,
      counter,
    };
    let confirmed: ConfirmationRow | null;
    try {
      confirmed = await factors.settle(settlement, deadline);
    } catch (error) {
      if (isNotCommitted(error)) await this.#giveBack(row, failure);
      throw error;
    }
    if (confirmed === null) {
      await this.#releaseSlotIfExhausted(row);
      return null;
    }
    const scope = this.#scopeOf(row);
    // The success of a method that cannot be guessed must not give a guesser of another method new tries.
    if (this.method.isGuessable) await ledger.resetAfterSuccess(scope, row.id);
    else await ledger.releaseSlot(scope, row.id);
    if (write === 'consume') await events.consumed(factor, () => factors.active(row.subject));
    return confirmed;
  }

  /** What the response to a confirmation is judged by. */
  #contextOf(row: ConfirmationRow, known: SubjectFactors): VerificationContext {
    const { subject, createdAt } = row;
    // A factor that was activated after the confirmation was made is none of those that it was made for.
    const factors = known.factors.filter(
      ({ method, activatedAt, isIntact }) =>
        method === this.name && activatedAt !== null && activatedAt <= createdAt && isIntact,
    );
    return { ...contextOf(this.parts.options, subject), ...known, row, factors };
  }

  /**
   * Refuses where all that the subject has of the method is damaged. A right response would be taken for a wrong one, and the person
   * would try until the app is locked. Nothing is charged for it: nothing could be compared, so that it is no free guess.
   */
  #assertNotDamaged({ factors }: SubjectFactors): void {
    const own = factors.filter(
      ({ method, activatedAt }) => method === this.name && activatedAt !== null,
    );
    if (own.length > 0 && own.every(({ isIntact }) => !isIntact)) throw unknownSecret();
  }

  /** Reports a counter that went backwards. A second click sends the same response again, and finds the confirmation ended. */
  async #reportSuspectedCopy(
    factor: FactorRow,
    { id }: ConfirmationRow,
    deadline: Deadline | undefined,
  ): Promise<void> {
    const current = await this.parts.confirmations.find(id, deadline);
    const isPending =
      current !== null && statusOf(current, this.parts.options.clock.now()) === 'pending';
    if (isPending) this.parts.events.copySuspected(factor);
  }

  /**
   * The confirmation and the factors, if this method may still confirm it for this caller. The factors are read before the attempt
   * is counted: a slow database would otherwise count attempts that it has no time left to compare, ten of which lock the app.
   */
  async #loadForAttempt({ id, scopedSubject, seen, deadline }: Attempt): Promise<Verification> {
    const row = seen ?? (await this.parts.confirmations.find(id, deadline));
    if (row === null || !isAccessible(row, scopedSubject, this.#access)) {
      return { outcome: 'unknown' };
    }
    const isPending = statusOf(row, this.parts.options.clock.now()) === 'pending';
    if (!isPending || !allowsMethod(row, this.name)) return { outcome: 'ended', row };
    const known = await this.parts.factors.read(row.subject, deadline);
    this.#assertNotDamaged(known);
    return { outcome: 'compared', row, isConfirmed: false, failure: null, known };
  }

  async #charge(attempt: Attempt): Promise<Verification> {
    const looked = await this.#loadForAttempt(attempt);
    if (looked.outcome !== 'compared') return looked;
    const { ledger, factors } = this.parts;
    const { row } = looked;
    const { id, deadline } = attempt;
    if (deadline?.expired) throw databaseTimeoutError();
    let failure: QuotaReceipt;
    try {
      failure = await ledger.consumeFailure(this.#scopeOf(row), deadline);
    } catch (error) {
      if (error instanceof TwoFactorTooManyRequestsError) return { outcome: 'locked', row, error };
      throw error;
    }
    let counted: ConfirmationRow | null;
    try {
      counted = await factors.countAttempt(id, this.name, deadline);
    } catch (error) {
      // The response was not compared, and never will be. Whether the attempt is counted is unknown, so that it stays.
      await ledger.refund(failure);
      throw error;
    }
    if (counted !== null) {
      const { known } = looked;
      return { outcome: 'compared', row: counted, isConfirmed: false, failure, known };
    }
    await ledger.refund(failure);
    const current = await this.parts.confirmations.find(id, deadline);
    return current === null ? { outcome: 'unknown' } : { outcome: 'ended', row: current };
  }

  /**
   * Gives back what was charged for a right response that has certainly confirmed nothing, such as on MySQL and MariaDB while an open
   * transaction of the application keeps the factor: five right codes would end the confirmation, and ten would lock the app. Never for a
   * wrong one, which would be a free guess, and not where the confirmation may be confirmed, as on PostgreSQL when its one statement did
   * not answer in time. What cannot be given back stays charged.
   */
  async #giveBack({ id }: ConfirmationRow, failure: QuotaReceipt | null): Promise<void> {
    if (!this.method.isGuessable) return;
    if (failure !== null) await this.parts.ledger.refund(failure);
    try {
      await this.parts.factors.uncountAttempt(id);
    } catch (error) {
      this.#logger.warn(`An attempt stays counted: ${messageAndCauseOf(error)}`);
    }
  }

  /** Frees the slot of a confirmation whose last attempt failed. */
  async #releaseSlotIfExhausted(row: ConfirmationRow): Promise<void> {
    if (row.attempts < row.maxAttempts) return;
    await this.parts.ledger.releaseSlot(this.#scopeOf(row), row.id);
  }

  #scopeOf(row: ConfirmationRow): QuotaScope {
    return { ...this.parts.scopes.scopeOf(row), method: this.name };
  }
}
