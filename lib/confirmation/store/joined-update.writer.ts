import {
  databaseTimeoutError,
  type Deadline,
  listValues,
  type SqlValues,
} from '../../database/index.js';
import { TwoFactorUnavailableError } from '../../errors/index.js';
import {
  ownerHashOf,
  PERMANENT_WAIT_MS,
  type CreationQuota,
  type LimitJoins,
  type QuotaLedger,
  type QuotaScope,
} from '../../limits/index.js';
import { purposeAccess, type PurposeAccess, type ResolvedOptions } from '../../options/index.js';
import { subjectInColumn } from '../model/ascii-columns.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { CODE_METHOD } from '../model/methods.js';
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
import { CompareLists, type ComparisonResult } from './compare-lists.js';
import type { ConfirmationStore } from './confirmation.store.js';
import { callListStatements } from './dialects/call-list-statements.js';
import {
  joinedAnswer,
  joinedUpdateStatements,
  type JoinedUpdateAnswer,
  type JoinedUpdateStatements,
} from './dialects/joined-update-statements.js';
import { rowFromRecord } from './row-mapping.js';
import type { StepwiseWriter } from './stepwise.writer.js';

/** More than two are needed only while other calls send this confirmation, or delete the rows of its quotas. */
const MAX_ROUNDS = 20;

type Charges = CreationQuota['charges'];

/** A confirmation as it was read, with what an attempt at it charges. */
interface SeenConfirmation {
  readonly row: ConfirmationRow;
  readonly scope: QuotaScope;
  readonly failures: Charges;
  /** All keys in the order in which they are locked. */
  readonly quotas: readonly SeenQuota[];
  /** Whether it holds a slot under keys that its row does not name. */
  readonly hasUnnamedSlot: boolean;
}

/** A quota that the UPDATE joins: its key, and its role in `QuotaRoleLetters`, `f` for failures and `s` for a pending slot. */
interface SeenQuota {
  readonly key: string;
  readonly role: 'f' | 's';
}

type Compared = Extract<JoinedUpdateAnswer, { readonly outcome: 'compared' }>;

/**
 * MySQL and MariaDB with the quotas in the database. One UPDATE, which joins both tables, compares a code, counts the attempt,
 * charges or ends the failures and frees the slot; the number that the server sends with its answer says what it did. The row is
 * read before, and decides nothing but which quotas there are: the UPDATE checks that no other message was recorded since.
 */
export class JoinedUpdateWriter implements ConfirmationWriter {
  readonly #statements: JoinedUpdateStatements;
  readonly #access: PurposeAccess;
  readonly #compareLists: CompareLists;

  constructor(
    private readonly store: ConfirmationStore,
    private readonly ledger: QuotaLedger,
    private readonly scopes: QuotaScopeResolver,
    private readonly options: ResolvedOptions,
    private readonly stepwise: StepwiseWriter,
    joins: LimitJoins,
  ) {
    this.#statements = joinedUpdateStatements(store.context, joins);
    this.#access = purposeAccess(options);
    this.#compareLists = new CompareLists(
      store,
      callListStatements(store.context, joins),
      ledger.clauseValues,
    );
  }

  create(request: CreationRequest): Promise<Creation> {
    return this.stepwise.create(request);
  }

  async verify(request: VerificationRequest): Promise<Verification> {
    const { deadline, scopedSubject } = request;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const seen = await this.#find(request);
      if (seen === null || !isAccessible(seen.row, scopedSubject, this.#access)) {
        return { outcome: 'unknown' };
      }
      const { row } = seen;
      if (row.codeMac === null || statusOf(row, this.options.clock.now()) !== 'pending') {
        return { outcome: 'ended', row };
      }
      let executed = await this.#compare(request, seen);
      if (executed.answer.outcome === 'none' && executed.affected === 0 && seen.quotas.length > 0) {
        await this.#addMissing(request, seen);
        executed = await this.#compare(request, seen);
      }
      const verification = await this.#verificationOf(request, seen, executed);
      if (verification !== null) return verification;
      if (deadline?.expired) throw databaseTimeoutError();
    }
    throw new TwoFactorUnavailableError('The confirmation is contended. Try again.');
  }

  /** `null` when the confirmation must be read again. */
  async #verificationOf(
    request: VerificationRequest,
    seen: SeenConfirmation,
    executed: ComparisonResult,
  ): Promise<Verification | null> {
    const { answer, affected, now } = executed;
    const { row, scope, failures } = seen;
    if (answer.outcome === 'compared') return this.#comparedVerification(seen, executed, answer);
    if (answer.outcome === 'locked') {
      const { permanentLockAfter } = this.ledger.clauseValues;
      const [quota] = failures;
      const amount = answer.waitMs >= PERMANENT_WAIT_MS ? Number(permanentLockAfter) : 0;
      const usages =
        quota === undefined ? [] : [{ key: quota.key, amount, endsAt: now + answer.waitMs }];
      return { outcome: 'locked', row, error: this.ledger.lockError(scope, usages) };
    }
    return affected > 0 ? this.#readComparisonResult(request, seen, executed) : null;
  }

  async #comparedVerification(
    seen: SeenConfirmation,
    { now, useBefore }: ComparisonResult,
    { isRight, attempts, failures: amount }: Compared,
  ): Promise<Verification> {
    const times = isRight ? { confirmedAt: now, confirmedBy: CODE_METHOD, useBefore } : {};
    const row = { ...seen.row, attempts, ...times };
    await this.#freeUnnamedSlot(seen, row);
    const failure = this.ledger.failureReceipt(seen.failures, isRight ? 0 : amount, now);
    return { outcome: 'compared', row, isConfirmed: isRight, failure };
  }

  /** Reads the result of a comparison from the row, when a trigger of the table has reset the `LAST_INSERT_ID` that reports it. */
  async #readComparisonResult(
    { macs, deadline, id }: VerificationRequest,
    seen: SeenConfirmation,
    { now }: ComparisonResult,
  ): Promise<Verification> {
    const row = await this.store.find(id, deadline);
    if (row === null) return { outcome: 'unknown' };
    await this.#freeUnnamedSlot(seen, row);
    const isConfirmed =
      row.confirmedAt === now &&
      row.confirmedBy === CODE_METHOD &&
      macs.includes(row.codeMac ?? '');
    const usages = isConfirmed ? [] : await this.ledger.read(seen.failures.map(({ key }) => key));
    const amount = Math.max(0, ...usages.map((usage) => usage.amount));
    const failure = this.ledger.failureReceipt(seen.failures, amount, now);
    return { outcome: 'compared', row, isConfirmed, failure };
  }

  async #find({ id, deadline }: VerificationRequest): Promise<SeenConfirmation | null> {
    const record = await this.store.findRecord(this.#statements.find, id, deadline);
    return record === undefined ? null : this.#seenOf(record);
  }

  #seenOf(record: Readonly<Record<string, unknown>>): SeenConfirmation {
    const row = rowFromRecord(record);
    const scope = this.scopes.scopeOf(row);
    const isGuess = hasComparableCode(row, this.options.keyRing);
    const failures = isGuess ? this.ledger.failureQuotasOf(scope) : [];
    const slotKeys = scope.hasSlot ? ((record['slotKeys'] as string | null) ?? '') : '';
    const quotas = [
      ...failures.map(({ key }): SeenQuota => ({ key, role: 'f' })),
      ...slotKeys
        .split(',')
        .filter(Boolean)
        .map((key): SeenQuota => ({ key, role: 's' })),
    ].toSorted((one, other) => (one.key < other.key ? -1 : 1));
    return { row, scope, failures, quotas, hasUnnamedSlot: scope.hasSlot && slotKeys === '' };
  }

  #compare(request: VerificationRequest, seen: SeenConfirmation): Promise<ComparisonResult> {
    const { id, macs, scopedSubject, deadline } = request;
    const { row, quotas } = seen;
    const inOrder = quotas.toSorted((one, other) => (one.role < other.role ? -1 : 1));
    const batch = this.#compareLists.batcherFor(inOrder.map(({ role }) => role).join(''));
    const keys = quotas.map(({ key }) => key);
    const single = (given?: Deadline): Promise<ComparisonResult> =>
      this.#compareSingly(request, seen, given);
    if (batch === null || seen.hasUnnamedSlot) return single();
    const inRoles = inOrder.map(({ key }) => key);
    const values = {
      id,
      scopedSubject: scopedSubject && subjectInColumn(scopedSubject),
      seenCreatedAt: String(row.createdAt),
      seenSends: String(row.sends),
      seenAttempts: String(row.attempts),
      isLast: row.attempts + 1 >= row.maxAttempts ? '1' : '0',
      owner: ownerHashOf(id),
      ...listValues('codeMac', macs),
      ...listValues('key', inRoles),
    };
    const call = { keys: [id, ...keys], quotas: keys, seenAttempts: row.attempts, values, single };
    return batch(call, deadline, id);
  }

  /** @param inTurn the deadline of a call whose turn it is; `undefined` for one that waits for the earlier ones. */
  async #compareSingly(
    { id, macs, scopedSubject, deadline }: VerificationRequest,
    { row, quotas }: SeenConfirmation,
    inTurn?: Deadline,
  ): Promise<ComparisonResult> {
    let { now, useBefore } = this.store.times();
    const subject = scopedSubject && subjectInColumn(scopedSubject);
    const keys = listValues(
      'key',
      quotas.map(({ key }) => key),
    );
    const values = (): SqlValues => {
      ({ now, useBefore } = this.store.times());
      const attempt = {
        id,
        now,
        useBefore,
        scopedSubject: subject,
        seenSends: row.sends,
        seenCreatedAt: row.createdAt,
        owner: ownerHashOf(id),
      };
      return { ...attempt, ...listValues('codeMac', macs), ...keys, ...this.ledger.clauseValues };
    };
    const statement = this.#statements.compare(quotas.map(({ role }) => role).join(''));
    const { runner } = this.store;
    const { affected, insertId } =
      inTurn === undefined
        ? await runner.runExclusive(id, statement, values, null, deadline)
        : await runner.run(statement, values, inTurn);
    return { answer: joinedAnswer(insertId), now, useBefore, affected };
  }

  /** A purge deletes rows of which nothing is consumed. */
  async #addMissing(
    { deadline }: VerificationRequest,
    { quotas }: SeenConfirmation,
  ): Promise<void> {
    const { permanentLockAfter } = this.ledger.clauseValues;
    const rows = quotas.map(({ key, role }, index) => ({
      [`key${index}`]: key,
      [`kind${index}`]: role === 'f' ? 'failures' : 'window',
      [`allowed${index}`]: role === 'f' ? permanentLockAfter! : 1,
    }));
    const values = Object.assign({}, ...rows) as SqlValues;
    await this.store.runner.run(this.#statements.add(quotas.length), () => values, deadline);
  }

  /** A confirmation that was made by an earlier version, or while the quotas were kept elsewhere. */
  async #freeUnnamedSlot(
    { hasUnnamedSlot, scope }: SeenConfirmation,
    row: ConfirmationRow,
  ): Promise<void> {
    const isLast = row.confirmedAt !== null || row.attempts >= row.maxAttempts;
    if (hasUnnamedSlot && isLast) await this.ledger.releaseSlot(scope, row.id);
  }
}
