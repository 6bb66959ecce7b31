import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';

import {
  databaseTimeoutError,
  isStatementUnsupported,
  listValues,
  type SqlValues,
} from '../../database/index.js';
import { TwoFactorUnavailableError } from '../../errors/index.js';
import {
  limitsApplyToVerify,
  ownerHashOf,
  type CreationPlan,
  type CreationQuota,
  type LimitClauses,
  type QuotaLedger,
  type QuotaReceipt,
  type QuotaUsage,
} from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { subjectInColumn } from '../model/ascii-columns.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { hasComparableCode } from '../model/has-comparable-code.js';
import type { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import type {
  ConfirmationWriter,
  Creation,
  CreationRequest,
  Verification,
  VerificationRequest,
} from './confirmation-writer.js';
import type { ConfirmationStore } from './confirmation.store.js';
import {
  atomicStatements,
  type AtomicStatements,
  type VerifyOutcome,
} from './dialects/atomic-statements.js';
import { queuedValues } from './dialects/queue-clauses.js';
import { rowFromRecord } from './row-mapping.js';
import type { StepwiseWriter } from './stepwise.writer.js';

/** How often a call repeats its statement because concurrent calls consumed a quota after the statement had checked it. */
const MAX_CONTENDED_ROUNDS = 20;
const MAX_PAUSE_MS = 20;
/** One round stores the keys and one verifies. More are needed only while instances with different secrets compete. */
const MAX_STALE_ROUNDS = 4;

type CreationStatements =
  Pick<AtomicStatements, 'one' | 'many'> | NonNullable<AtomicStatements['queued']>;

/** What the statement returned for one attempt to create a confirmation with one of its slots. */
interface CreationAttempt {
  readonly isMade: boolean;
  readonly repeated: ConfirmationRow | null;
  readonly consumedWithoutEffect: QuotaReceipt['charges'];
  readonly exhausted: readonly QuotaUsage[];
}

/**
 * Writes a confirmation and consumes its quotas in one statement, which also returns why it refused. It uses the
 * `StepwiseWriter` for what no such statement exists for, and for everything once the server has rejected one: some
 * databases that speak PostgreSQL's protocol do not know these statements.
 */
export class AtomicWriter implements ConfirmationWriter {
  readonly #logger = new Logger(AtomicWriter.name);
  readonly #isVerifyLimited: boolean;
  #statements: AtomicStatements | null;

  constructor(
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly options: ResolvedOptions,
    private readonly stepwise: StepwiseWriter,
    clauses: LimitClauses,
  ) {
    this.#statements = atomicStatements(store.context, clauses);
    this.#isVerifyLimited = limitsApplyToVerify(options);
  }

  async create(request: CreationRequest): Promise<Creation> {
    const { demand, manager } = request;
    return demand === null || manager !== undefined
      ? this.#createWithPlan(request)
      : this.ledger.retryPrefixRefusal(demand, () => this.#createWithPlan(request));
  }

  async #createWithPlan(request: CreationRequest): Promise<Creation> {
    const { demand, manager } = request;
    const plan =
      demand === null || manager !== undefined || this.#statements === null
        ? null
        : this.ledger.planCreation(demand);
    if (plan === null || plan.candidates[0]!.charges.length === 0) {
      return this.stepwise.create(request);
    }
    const created = await this.#tryAtomically((statements) =>
      this.#create((request.queued && statements.queued) ?? statements, request, plan),
    );
    return created ?? this.stepwise.create(request);
  }

  async verify(request: VerificationRequest): Promise<Verification> {
    if (!this.#isVerifyLimited || this.#statements === null) return this.stepwise.verify(request);
    const verified = await this.#tryAtomically((statements) => this.#verify(statements, request));
    return verified ?? this.stepwise.verify(request);
  }

  /** Tries one slot after the other. A statement that chose among the slots cost the first request a third more. */
  async #create(
    { one, many }: CreationStatements,
    request: CreationRequest,
    plan: CreationPlan,
  ): Promise<Creation> {
    const exhausted: QuotaUsage[] = [];
    let slot = 0;
    for (let contended = 0; contended < MAX_CONTENDED_ROUNDS;) {
      const quota = plan.candidates[slot]!;
      const attempt =
        request.keyIds.length === 0
          ? await this.#createNew(one, contended === 0 ? many : null, request, quota)
          : await this.#createWithKey(one, request, quota);
      if (attempt.repeated !== null) return { outcome: 'repeated', row: attempt.repeated };
      if (attempt.isMade) {
        return { outcome: 'created', receipt: { charges: quota.charges, levels: [] } };
      }
      await this.ledger.refund({ charges: attempt.consumedWithoutEffect });
      exhausted.push(...attempt.exhausted);
      if (attempt.exhausted.length === 0) {
        contended += 1;
        await sleep(Math.random() * MAX_PAUSE_MS);
      } else {
        slot += 1;
        const isSlotAlone = attempt.exhausted.every(({ key }) => quota.exclusive.includes(key));
        if (!isSlotAlone || slot === plan.candidates.length) {
          throw this.ledger.creationError(plan, exhausted);
        }
      }
      if (request.deadline?.expired) throw databaseTimeoutError();
    }
    throw new TwoFactorUnavailableError('The limits are contended. Try again.');
  }

  /**
   * @param many `null` for an attempt after a contended one: a batch whose calls exceed a quota together consumes it for none
   * of them, and would do so again.
   */
  async #createNew(
    one: CreationStatements['one'],
    many: CreationStatements['many'] | null,
    { row, queued, deadline }: CreationRequest,
    quota: CreationQuota,
  ): Promise<CreationAttempt> {
    const keyed = this.#insertValues(row, queued, quota);
    const values = (shared?: SqlValues): SqlValues => {
      return { owner: quota.owner, charges: this.#chargesJson(quota), ...shared, ...keyed };
    };
    const { rows } = await this.store.runner.run(
      one.create,
      () => values(this.#sharedValues()),
      deadline,
      many && {
        batchStatement: many.create,
        keys: [row.id, ...quota.exclusive],
        values: () => values(),
        sharedValues: () => this.#sharedValues(),
      },
    );
    return creationAttemptOf(rows[0], quota);
  }

  /**
   * Creates the confirmation of a request with an idempotency key. Never in a batch: it may wait for the row of a concurrent
   * request with the same key, and a batch that waits for a row would delay the calls of others.
   */
  async #createWithKey(
    one: CreationStatements['one'],
    { row, queued, keyIds, deadline }: CreationRequest,
    quota: CreationQuota,
  ): Promise<CreationAttempt> {
    const keyed = this.#insertValues(row, queued, quota);
    const values = (): SqlValues => {
      const { owner } = quota;
      const charges = this.#chargesJson(quota);
      return { owner, charges, ...this.#sharedValues(), ...keyed, ...listValues('keyId', keyIds) };
    };
    const { rows } = await this.store.runner.run(one.createOnce, values, deadline);
    return creationAttemptOf(rows[0], quota);
  }

  async #verify(statements: AtomicStatements, request: VerificationRequest): Promise<Verification> {
    for (let round = 0; round < MAX_STALE_ROUNDS; round += 1) {
      const { outcome, record, usages } = await this.#verifyOnce(statements, request);
      if (outcome === 'unknown') return { outcome };
      const row = rowFromRecord(record);
      if (outcome === 'ended') return { outcome, row };
      const scopeOf = (): ReturnType<QuotaScopeResolver['scopeOf']> => this.scopes.scopeOf(row);
      if (outcome === 'compared') {
        const failure = this.ledger.receiptOf(scopeOf, usages);
        return { outcome, row, isConfirmed: row.confirmedAt !== null, failure };
      }
      if (outcome === 'locked') {
        return { outcome, row, error: this.ledger.lockError(scopeOf(), usages) };
      }
      if (request.deadline?.expired) throw databaseTimeoutError();
      await this.store.updateFailureKeys(row, this.#currentFailureKeys(row), request.deadline);
    }
    throw new TwoFactorUnavailableError('Instances with different secrets compete. Try again.');
  }

  async #verifyOnce(
    { one, many }: AtomicStatements,
    { id, macs, scopedSubject, deadline }: VerificationRequest,
  ): Promise<{
    outcome: VerifyOutcome;
    record: Readonly<Record<string, unknown>>;
    usages: readonly QuotaUsage[];
  }> {
    const owner = ownerHashOf(id);
    const subject = scopedSubject && subjectInColumn(scopedSubject);
    const values = (shared?: SqlValues): SqlValues => {
      return { id, owner, scopedSubject: subject, ...listValues('codeMac', macs), ...shared };
    };
    const { rows } = await this.store.runner.runExclusive(
      id,
      one.verify,
      () => values(this.#sharedValues()),
      {
        batchStatement: many.verify,
        keys: [id],
        values: () => values(),
        sharedValues: () => this.#sharedValues(),
      },
      deadline,
    );
    const [record = {}] = rows;
    const { outcome = 'unknown', usages } = record as {
      outcome?: VerifyOutcome;
      usages?: readonly QuotaUsage[] | null;
    };
    return { outcome, record, usages: usages ?? [] };
  }

  /** The failure keys of the current ring; none where no failure is charged. */
  #currentFailureKeys(row: ConfirmationRow): string {
    const isGuess = hasComparableCode(row, this.options.keyRing);
    const failures = isGuess ? this.ledger.failureQuotasOf(this.scopes.scopeOf(row)) : [];
    return this.ledger.quotaKeys(failures).failureKeys ?? '';
  }

  #insertValues(
    row: CreationRequest['row'],
    queued: CreationRequest['queued'],
    { charges }: CreationQuota,
  ): SqlValues {
    return { ...row, ...this.ledger.quotaKeys(charges), ...(queued && queuedValues(queued)) };
  }

  #chargesJson({ rows }: CreationQuota): string {
    return JSON.stringify(rows(this.options.clock.now()));
  }

  /** The values that are the same for all calls of a batch. */
  #sharedValues(): SqlValues {
    const { now, useBefore } = this.store.times();
    return { now, useBefore, ...this.ledger.clauseValues };
  }

  async #tryAtomically<T>(work: (statements: AtomicStatements) => Promise<T>): Promise<T | null> {
    if (this.#statements === null) return null;
    try {
      return await work(this.#statements);
    } catch (error) {
      if (!isStatementUnsupported(error)) throw error;
      if (this.#statements !== null) {
        this.#logger.warn(
          'The server does not take statements that also charge limits; going on with several for each call.',
        );
      }
      this.#statements = null;
      return null;
    }
  }
}

function creationAttemptOf(
  record: Readonly<Record<string, unknown>> | undefined,
  { charges }: CreationQuota,
): CreationAttempt {
  const answer = (record ?? {}) as {
    isMade?: boolean;
    id?: string | null;
    consumedWithoutEffect?: string | null;
    exhausted?: readonly QuotaUsage[] | null;
  };
  const { isMade = false, id = null, consumedWithoutEffect, exhausted } = answer;
  const consumed = consumedWithoutEffect?.split(',') ?? [];
  return {
    isMade,
    repeated: id === null ? null : rowFromRecord(record!),
    consumedWithoutEffect: charges.filter(({ key }) => consumed.includes(key)),
    exhausted: exhausted ?? [],
  };
}
