import { subjectInColumn } from '../../confirmation/index.js';
import type { TransactionSteps } from '../../database/index.js';
import { TwoFactorNotFoundError, TwoFactorStateError } from '../../errors/index.js';
import { DEVICE_METHOD, type ConfiguredMethods } from '../../options/index.js';
import type { ActivationEvidence, SubjectFactors } from './factor-method.js';
import type { FactorRow, StoredFactor } from './factor-record.entity.js';
import { ENROLMENT_MS, type FactorStore } from './factor.store.js';

/** The name of the entry that stands for all recovery codes of a subject. */
export const RECOVERY = 'recovery';

/** The values of a factor that is to be inserted, its data in clear. */
export interface NewFactor extends Omit<
  StoredFactor,
  'application' | 'subjectKey' | 'lastUsedAt' | 'expiresAt'
> {
  readonly expiresAt?: number;
}

/** The data that an activation stores, its time, and the greatest number of active factors of the method. */
export interface ActivationInput {
  readonly evidence: ActivationEvidence;
  readonly now: number;
  readonly max: number;
}

/** The result of an activation beside the factor itself. */
export interface Activation {
  readonly isFirst: boolean;
  /** Older factors of the method that were removed, because the subject had the most that it may have. */
  readonly replaced: readonly FactorRow[];
}

/**
 * The statements of the changes of one subject's factors. Each runs in a transaction that has written the subject's row, so
 * that what it reads cannot change before it ends.
 */
export class FactorChanges {
  constructor(
    private readonly store: FactorStore,
    private readonly methods: ConfiguredMethods,
  ) {}

  /**
   * Whether a factor is an active authenticator of its own. One that is not intact is: an enrolment beside it needs the proof that it
   * would have needed before.
   */
  isStrong({ method, activatedAt }: FactorRow): boolean {
    return activatedAt !== null && this.methods.get(method)?.isStrong === true;
  }

  /** Begins an enrolment in place of an earlier one that is pending. */
  *enrol(factors: readonly FactorRow[], factor: NewFactor): TransactionSteps<void> {
    const { statements } = this.store;
    const scope = this.store.scopeOf(factor.subject);
    yield {
      statement: statements.removePending,
      values: { ...scope, method: factor.method },
    };
    const counter = factors.some((each) => this.isStrong(each)) ? 1 : 0;
    yield* this.#insert([{ ...factor, counter }]);
  }

  /**
   * Activates a pending enrolment. One that was begun without a strong factor ends when another one was activated first: a
   * thief who had begun it before the owner enrolled gets nothing.
   *
   * @returns `null` when another factor has its handle, such as a passkey that was enrolled before.
   * @throws TwoFactorNotFoundError when it has ended.
   */
  *activate(
    factors: readonly FactorRow[],
    { id, data }: FactorRow,
    { evidence, now, max }: ActivationInput,
  ): TransactionSteps<Activation | null> {
    const { statements } = this.store;
    const pending = factors.find((each) => each.id === id);
    const isFirst = !factors.some((each) => this.isStrong(each));
    const isBegunBeside = pending?.counter === 1;
    if (
      pending === undefined ||
      pending.activatedAt !== null ||
      !pending.isIntact ||
      pending.data !== data ||
      pending.createdAt + ENROLMENT_MS <= now ||
      (!isFirst && !isBegunBeside)
    ) {
      throw unknownFactor();
    }
    const { handle } = evidence;
    if (handle !== null) {
      const { rows } = yield { statement: statements.findHandle, values: { handle } };
      if (rows.length > 0) return null;
    }
    const sealed = this.store.seals.seal({ ...pending, ...evidence, activatedAt: now });
    yield { statement: statements.activate, values: { id, now, ...evidence, data: sealed } };
    const replaced = yield* this.#makePlace(factors, pending.method, max);
    if (isFirst || replaced.length > 0) yield* this.#endPending(factors, id);
    return { isFirst, replaced };
  }

  /** Inserts a factor that is active from the start. */
  *import(
    factors: readonly FactorRow[],
    factor: NewFactor,
    max: number,
  ): TransactionSteps<Activation> {
    const isFirst = !factors.some((each) => this.isStrong(each));
    yield* this.#insert([factor]);
    const replaced = yield* this.#makePlace(factors, factor.method, max);
    if (isFirst || replaced.length > 0) yield* this.#endPending(factors, factor.id);
    return { isFirst, replaced };
  }

  /** Gives an active factor another name; false when there is none. */
  *rename(factors: readonly FactorRow[], id: string, label: string): TransactionSteps<boolean> {
    const factor = factors.find((each) => each.id === id && each.activatedAt !== null);
    if (factor === undefined) return false;
    const values = { id, label: subjectInColumn(label) };
    yield { statement: this.store.statements.rename, values };
    return true;
  }

  /**
   * Removes a factor, or with the last strong one all that exist only beside it. Returns the factors that are gone.
   *
   * With an authenticator, or with the recovery codes, the enrolments that have begun end too: a thief may have proved one of
   * them by what is removed, and its activation asks for no other proof.
   *
   * @throws TwoFactorStateError `last-factor` for the last strong one, unless that is allowed.
   */
  *remove(
    { factors, spentCodes }: SubjectFactors,
    id: string,
    allowLast: boolean,
    now: number,
  ): TransactionSteps<readonly FactorRow[]> {
    const gone = factors.filter((each) => (id === RECOVERY ? each.method === id : each.id === id));
    const [factor] = gone;
    if (factor === undefined) {
      // All codes are used, and nothing is left to list. What they have confirmed ends all the same, an enrolment too.
      if (id === RECOVERY && spentCodes.length > 0) {
        const pending = factors.filter((each) => each.activatedAt === null);
        yield* this.#removeRows([...spentCodes, ...pending.map((each) => each.id)]);
      }
      return [];
    }
    const isLast =
      this.isStrong(factor) && !factors.some((each) => each !== factor && this.#isUsable(each));
    if (isLast && !allowLast) throw new TwoFactorStateError('last-factor');
    const provesEnrolments = this.isStrong(factor) || factor.method === RECOVERY;
    const all = factors.filter(
      (each) => isLast || gone.includes(each) || (provesEnrolments && each.activatedAt === null),
    );
    const ids = all.map((each) => each.id);
    // What the used codes of the set have confirmed ends with them.
    if (isLast || factor.method === RECOVERY) ids.push(...spentCodes);
    yield* this.#removeRows(ids);
    if (all.some(({ method }) => method === DEVICE_METHOD)) yield* this.#noteForgotten(factor, now);
    return all;
  }

  /**
   * Replaces all recovery codes of a subject. Enrolments that have begun end: a thief may have proved one by a former code.
   *
   * @throws TwoFactorStateError `no-factor` without an authenticator.
   */
  *replaceRecovery(
    factors: readonly FactorRow[],
    codes: readonly NewFactor[],
  ): TransactionSteps<void> {
    const [first] = codes;
    if (first === undefined) return;
    if (!factors.some((each) => this.#isUsable(each))) throw new TwoFactorStateError('no-factor');
    yield {
      statement: this.store.statements.removeRecovery,
      values: this.store.scopeOf(first.subject),
    };
    yield* this.#endPending(factors, '');
    yield* this.#insert(codes);
  }

  /** Inserts a device, and removes the oldest ones beyond `max`. `null` when its id is taken: nothing is changed then. */
  *remember(
    factors: readonly FactorRow[],
    device: NewFactor,
    max: number,
  ): TransactionSteps<readonly FactorRow[] | null> {
    if (factors.some(({ id }) => id === device.id)) return null;
    const removed = yield* this.#makePlace(factors, device.method, max);
    yield* this.#insert([device]);
    return removed;
  }

  /**
   * Removes all devices of a subject, and notes the time also where there is none: a thief who has signed in may be about to
   * remember one.
   */
  *forgetDevices(
    factors: readonly FactorRow[],
    subject: string,
    now: number,
  ): TransactionSteps<readonly FactorRow[]> {
    const removed = factors.filter((each) => each.method === DEVICE_METHOD);
    for (const { id } of removed) yield { statement: this.store.statements.remove, values: { id } };
    yield* this.#noteForgotten({ subject }, now);
    return removed;
  }

  /**
   * Removes all factors of a subject. Its row stays, with the time: a thief who has signed in could otherwise remember a device
   * after the help desk has reset the methods of the owner.
   */
  *removeAll(
    factors: readonly FactorRow[],
    subject: string,
    now: number,
  ): TransactionSteps<readonly FactorRow[]> {
    yield { statement: this.store.statements.removeFactors, values: this.store.scopeOf(subject) };
    yield* this.#noteForgotten({ subject }, now);
    return factors;
  }

  /** Whether a factor is an authenticator that can confirm. */
  #isUsable(factor: FactorRow): boolean {
    return factor.isIntact && this.isStrong(factor);
  }

  /** In the order of the ids, as every change of several factors. */
  *#removeRows(ids: readonly string[]): TransactionSteps<void> {
    const { statements } = this.store;
    for (const id of ids.toSorted()) yield { statement: statements.remove, values: { id } };
  }

  /** Removes the oldest active factors of a method beyond `max` with one more. */
  *#makePlace(
    factors: readonly FactorRow[],
    method: string,
    max: number,
  ): TransactionSteps<readonly FactorRow[]> {
    const active = factors.filter((each) => each.method === method && each.activatedAt !== null);
    const replaced = active.slice(0, Math.max(0, active.length + 1 - max));
    for (const { id } of replaced)
      yield { statement: this.store.statements.remove, values: { id } };
    return replaced;
  }

  /**
   * Ends the enrolments that have begun, but not the one with the given id. None can begin meanwhile, because each change
   * writes the row of the subject first, so that no statement is needed where there is none.
   */
  *#endPending(factors: readonly FactorRow[], except: string): TransactionSteps<void> {
    const pending = factors.filter(({ id, activatedAt }) => activatedAt === null && id !== except);
    for (const { id } of pending) yield { statement: this.store.statements.remove, values: { id } };
  }

  /** Proofs that were used up to now remember no device from now on. */
  *#noteForgotten({ subject }: Pick<FactorRow, 'subject'>, now: number): TransactionSteps<void> {
    const values = { id: this.store.subjectRowId(subject), now };
    yield { statement: this.store.statements.noteForgotten, values };
  }

  *#insert(factors: readonly NewFactor[]): TransactionSteps<void> {
    for (const factor of factors) {
      const { subject, label, expiresAt = null } = factor;
      const values = {
        ...factor,
        expiresAt,
        label: subjectInColumn(label),
        data: this.store.seals.seal({ ...factor, expiresAt }),
        ...this.store.rowScopeOf(subject),
      };
      yield { statement: this.store.statements.insert, values };
    }
  }
}

export function unknownFactor(): TwoFactorNotFoundError {
  return new TwoFactorNotFoundError(
    'The subject has no such factor, or its enrolment has ended. Begin again.',
  );
}
