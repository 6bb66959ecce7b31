import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import type { ConfirmationRow, EnrolledMethods } from '../../confirmation/index.js';
import { TwoFactorConfirmationRequiredError, type MethodName } from '../../errors/index.js';
import type { MethodDefinition, ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { FactorMethod, type SubjectFactors } from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';
import { FactorStore } from './factor.store.js';
import { contextOf } from './new-factor.js';

/** What the use of a proof asks of the factors. */
@Injectable()
export class EnrolledFactors implements EnrolledMethods {
  constructor(
    @Inject(FactorStore) private readonly store: FactorStore | null,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  async enrolledFor(
    proof: ConfirmationRow,
    deviceToken: string | undefined,
    manager?: EntityManager,
  ): Promise<readonly MethodName[]> {
    const { store, options } = this;
    if (store === null) return [];
    const known = await store.read(proof.subject, manager);
    const active = store.activeOf(known.factors);
    const usable = new Set<string>(usableMethods(active, options, proof.subject, deviceToken));
    // Of all factors: a device that expires after it confirmed was not removed, and `use` takes its proof.
    if (isStillThere(proof, known)) usable.add(proof.confirmedBy ?? '');
    return [...options.methods.values()].map(({ name }) => name).filter((name) => usable.has(name));
  }
}

/**
 * The names of the methods that a subject with these active factors can use, beside a code.
 *
 * @param deviceToken the token of the remembered device that the caller uses, from its cookie; it is checked here.
 */
export function usableMethods(
  active: readonly FactorRow[],
  options: ResolvedOptions,
  subject: string,
  deviceToken: unknown,
): readonly MethodName[] {
  const context = contextOf(options, subject);
  const isUsable = (method: MethodDefinition): boolean =>
    active.some((each) => each.method === method.name) &&
    (!(method instanceof FactorMethod) ||
      (method.isUsable?.(active, deviceToken, context) ?? true));
  return [...options.methods.values()].filter(isUsable).map(({ name }) => name);
}

/**
 * Whether what confirmed this proof was not removed. A recovery code that was used counts until its set is removed or replaced. A
 * proof without a factor, such as by a sent code, has nothing that could be removed. The statements that use a proof ask the same by
 * `hasConfirmingFactor`; this one asks once the row of the subject is locked, so that no removal can come in between.
 */
export function isStillThere(
  { factorId }: Pick<ConfirmationRow, 'factorId'>,
  { factors, spentCodes }: Pick<SubjectFactors, 'factors' | 'spentCodes'>,
): boolean {
  return (
    factorId === null || spentCodes.includes(factorId) || factors.some(({ id }) => id === factorId)
  );
}

/**
 * What a person has removed proves nothing any more: a thief who had confirmed by it just before would otherwise add an
 * authenticator afterwards.
 *
 * @throws TwoFactorConfirmationRequiredError
 */
export function assertStillThere(proof: ConfirmationRow, known: SubjectFactors): void {
  if (isStillThere(proof, known)) return;
  throw new TwoFactorConfirmationRequiredError(
    'The authenticator or the set of recovery codes that confirmed this proof was removed after it. Confirm by another one.',
  );
}
