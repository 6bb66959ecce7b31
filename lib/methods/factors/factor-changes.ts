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

/** A factor that is gone, as its event reports it. */
export type RemovedFactor = Pick<FactorRow, 'activatedAt' | 'id' | 'method' | 'subject'>;

/** Which factor is removed, and in what way. */
export interface Removal {
  /** The id of the factor, or `RECOVERY` for all recovery codes. */
  readonly id: string;
  readonly subject: string;
  readonly allowLast: boolean;
  readonly now: number;
}

/**
 * The statements of the changes of one subject's factors, given the rows of all of them: what is not intact must neither be left behind
 * nor stand in the way. Each runs in a transaction that has written the subject's row, so
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

  /** Begins an enrolment, and deletes an earlier one of the same subject and method that is still pending. */
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
    const replaced = yield* this.#makePlace(factors, pending, max, now);
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
    const replaced = yield* this.#makePlace(factors, factor, max, factor.createdAt);
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
   * Removes a factor, or with the last strong one all that exist only beside it. Returns what is gone, recovery codes as one set.
   *
   * With an authenticator, or with the recovery codes, the enrolments that have begun end too: a thief may have proved one of
   * them by what is removed, and its activation asks for no other proof. So do the devices that were remembered by it.
   *
   * @throws TwoFactorStateError `last-factor` for the last strong one, unless that is allowed.
   */
  *remove(
    known: SubjectFactors,
    { id, subject, allowLast, now }: Removal,
  ): TransactionSteps<readonly RemovedFactor[]> {
    const { stored: factors } = known;
    if (id === RECOVERY) {
      if (!hasRecovery(known)) return [];
      yield* this.#removeRecovery(subject);
      yield* this.#endPending(factors, '');
      return [recoverySet(subject, now)];
    }
    const factor = factors.find((each) => each.id === id);
    if (factor === undefined) return [];
    const isLast =
      this.isStrong(factor) && !factors.some((each) => each !== factor && this.#isUsable(each));
    if (isLast && !allowLast) throw new TwoFactorStateError('last-factor');
    if (isLast) {
      yield { statement: this.store.statements.removeFactors, values: this.store.scopeOf(subject) };
      if (factors.some(isDevice)) yield* this.#noteDevicesForgotten(subject, now);
      return allRemovedFactors(known, subject, now);
    }
    const isEnding = this.isStrong(factor);
    const gone = factors.filter(
      (each) =>
        each === factor ||
        (isEnding && (each.activatedAt === null || isRememberedBy(each, factor))),
    );
    yield* this.#removeRows(gone);
    if (gone.some(isDevice)) yield* this.#noteDevicesForgotten(subject, now);
    return gone;
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
    yield* this.#removeRecovery(first.subject);
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
    const removed = yield* this.#makePlace(factors, device, max, device.createdAt);
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
    const removed = factors.filter(isDevice);
    yield* this.#removeRows(removed);
    yield* this.#noteDevicesForgotten(subject, now);
    return removed;
  }

  /**
   * Removes all factors of a subject. Its row stays, with the time: a thief who has signed in could otherwise remember a device
   * after the help desk has reset the methods of the owner.
   */
  *removeAll(
    known: SubjectFactors,
    subject: string,
    now: number,
  ): TransactionSteps<readonly RemovedFactor[]> {
    yield { statement: this.store.statements.removeFactors, values: this.store.scopeOf(subject) };
    yield* this.#noteDevicesForgotten(subject, now);
    return allRemovedFactors(known, subject, now);
  }

  /** Whether a factor is an authenticator that can confirm. */
  #isUsable(factor: FactorRow): boolean {
    return factor.isIntact && this.isStrong(factor);
  }

  /** In the order of the ids, in which the factors were read. */
  *#removeRows(rows: readonly FactorRow[]): TransactionSteps<void> {
    const { statements } = this.store;
    for (const { id } of rows) yield { statement: statements.remove, values: { id } };
  }

  /** The used codes too: what they have confirmed ends with them. */
  *#removeRecovery(subject: string): TransactionSteps<void> {
    yield { statement: this.store.statements.removeRecovery, values: this.store.scopeOf(subject) };
  }

  /** Removes the oldest active factors of a method beyond `max` with one more, and the devices that were remembered by them. */
  *#makePlace(
    factors: readonly FactorRow[],
    { method, subject }: Pick<FactorRow, 'method' | 'subject'>,
    max: number,
    now: number,
  ): TransactionSteps<readonly FactorRow[]> {
    const active = factors.filter((each) => each.method === method && each.activatedAt !== null);
    const oldest = active.slice(0, Math.max(0, active.length + 1 - max));
    const replaced = factors.filter((each) =>
      oldest.some((old) => each === old || isRememberedBy(each, old)),
    );
    yield* this.#removeRows(replaced);
    // A device that makes place for another one was not forgotten.
    const isForgotten = method !== DEVICE_METHOD && replaced.some(isDevice);
    if (isForgotten) yield* this.#noteDevicesForgotten(subject, now);
    return replaced;
  }

  /**
   * Ends the enrolments that have begun, but not the one with the given id. None can begin meanwhile, because each change
   * writes the row of the subject first, so that no statement is needed where there is none.
   */
  *#endPending(factors: readonly FactorRow[], except: string): TransactionSteps<void> {
    yield* this.#removeRows(
      factors.filter(({ id, activatedAt }) => activatedAt === null && id !== except),
    );
  }

  /** Notes the time in the row of the subject: a proof that was used until then cannot be used to remember a device any more. */
  *#noteDevicesForgotten(subject: string, now: number): TransactionSteps<void> {
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

/** The number by which a device names, in its column `counter`, the factor whose proof remembered it: random bits of the id. */
export function factorFingerprint(factorId: string): number {
  return Number.parseInt(factorId.slice(-10), 32);
}

/**
 * Whether the device was remembered by a proof of the factor. Without that a thief who had confirmed by a stolen phone could confirm by a
 * browser for up to a year after the owner has removed the app.
 */
function isRememberedBy(device: FactorRow, { id }: FactorRow): boolean {
  return isDevice(device) && device.counter === factorFingerprint(id);
}

/**
 * Whether there is a set of recovery codes, also when all of them are used or damaged, and nothing is left to list: what they have
 * confirmed ends with it, an enrolment too.
 */
export function hasRecovery({
  stored,
  spentCodes,
}: Pick<SubjectFactors, 'spentCodes' | 'stored'>): boolean {
  return spentCodes.length > 0 || stored.some(({ method }) => method === RECOVERY);
}

/** All recovery codes of a subject, as their removal is reported. */
function recoverySet(subject: string, activatedAt: number): RemovedFactor {
  return { id: RECOVERY, subject, method: RECOVERY, activatedAt };
}

/** All factors that a subject had. A set of recovery codes of which none is left was one of them. */
function allRemovedFactors(
  { stored, spentCodes }: SubjectFactors,
  subject: string,
  now: number,
): readonly RemovedFactor[] {
  const isUsedUp = spentCodes.length > 0 && !stored.some(({ method }) => method === RECOVERY);
  return isUsedUp ? [...stored, recoverySet(subject, now)] : stored;
}

function isDevice({ method }: FactorRow): boolean {
  return method === DEVICE_METHOD;
}

export function unknownFactor(): TwoFactorNotFoundError {
  return new TwoFactorNotFoundError(
    'The subject has no such factor, or its enrolment has ended. Begin again.',
  );
}
