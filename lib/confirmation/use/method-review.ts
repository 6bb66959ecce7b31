import type { ExecutionContext } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { BY_HAND, TwoFactorCallError, type MethodName } from '../../errors/index.js';
import { callResolver, deviceTokenOf, type ResolvedOptions } from '../../options/index.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { statusOf } from '../model/confirmation-status.js';
import type { EnrolledMethods } from '../model/enrolled-methods.js';
import { assertMethodList } from '../model/methods.js';
import type { ConfirmationStore } from '../store/confirmation.store.js';
import { isProofFor, type ParsedCheck } from './proof-refusal.js';

/** A check whose `confirmedBy` has what the purpose allows now, and whether the row as it was read can be no proof for it. */
export interface ReviewedCheck {
  readonly check: ParsedCheck;
  readonly isRefused: boolean;
}

/**
 * Asks the `methods` function of a purpose again when a proof is used. A thief who had a code confirmed, before the owner enrolled
 * an authenticator that the purpose asks for, would otherwise use that proof afterwards.
 *
 * Purposes with a list, and those without methods, cost no statement. The function is called only for a proof that would be
 * accepted without it, so that a client without such a proof cannot make the application work.
 */
export class MethodReview {
  constructor(
    private readonly store: Pick<ConfirmationStore, 'find'>,
    private readonly enrolled: EnrolledMethods | null,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * @throws TwoFactorCallError for a call that can neither ask the function nor says itself what counts. Accepted without, a proof
   * by the weakest method would pass.
   */
  assertAnswerable(check: ParsedCheck, context: ExecutionContext | undefined): void {
    if (context !== undefined || check.confirmedBy !== null || !this.#hasMethodsFunction(check))
      return;
    throw new TwoFactorCallError(
      `The methods of purpose "${check.binding.purpose}" are a function, and what it returns now decides whether a proof ` +
        'counts. Give context: the ExecutionContext of the call, so that it is asked, or confirmedBy: the methods that count.',
    );
  }

  /**
   * Reviews the check of the confirmation with this id.
   *
   * @throws TwoFactorCallError as `assertAnswerable`, and whatever the `methods` function of the purpose throws. An error changes no proof.
   */
  async reviewById(
    id: string,
    check: ParsedCheck,
    context: ExecutionContext | undefined,
    manager?: EntityManager,
  ): Promise<ReviewedCheck> {
    this.assertAnswerable(check, context);
    if (!this.#hasMethodsFunction(check) || context === undefined)
      return { check, isRefused: false };
    const row = await this.store.find(id, manager);
    // Nothing that happens after this read makes it a proof for this call: otherwise a reserved proof that another call releases
    // meanwhile would pass without the question.
    if (row === null || !this.#isUsable(row, check)) return { check, isRefused: true };
    return this.reviewRow(row, check, context, manager);
  }

  /** As `reviewById`, for a row that is a proof for the check so far. */
  async reviewRow(
    row: ConfirmationRow,
    check: ParsedCheck,
    context: ExecutionContext | undefined,
    manager?: EntityManager,
  ): Promise<ReviewedCheck> {
    // The application that confirmed it by hand has decided by itself.
    const isDecided = context === undefined || row.confirmedBy === BY_HAND;
    if (!this.#hasMethodsFunction(check) || isDecided) return { check, isRefused: false };
    const allowed: readonly string[] = await this.#allowedMethods(row, check, context, manager);
    const confirmedBy = allowed.filter((name) => check.confirmedBy?.includes(name) ?? true);
    return {
      check: { ...check, confirmedBy },
      isRefused: !confirmedBy.includes(row.confirmedBy ?? ''),
    };
  }

  /** Whether the methods of the purpose are a function, and can be anything but a code. */
  #hasMethodsFunction({ binding }: ParsedCheck): boolean {
    const { purposes, methods } = this.options;
    return methods.size > 0 && typeof purposes.get(binding.purpose)?.methods === 'function';
  }

  #isUsable(row: ConfirmationRow, check: ParsedCheck): boolean {
    const { clock, keyRing } = this.options;
    return statusOf(row, clock.now()) === 'confirmed' && isProofFor(row, check, keyRing);
  }

  async #allowedMethods(
    row: ConfirmationRow,
    { binding: { purpose } }: ParsedCheck,
    context: ExecutionContext,
    manager: EntityManager | undefined,
  ): Promise<readonly MethodName[]> {
    const { purposes, methods } = this.options;
    const deviceToken = await deviceTokenOf(methods, context);
    const enrolled = (await this.enrolled?.enrolledFor(row, deviceToken, manager)) ?? [];
    const choose = purposes.get(purpose)!.methods as MethodsFunction;
    const chosen = await callResolver(`methods function of purpose "${purpose}"`, () =>
      choose(context, enrolled),
    );
    assertMethodList(chosen, methods);
    return chosen;
  }
}

type MethodsFunction = (context: ExecutionContext, enrolled: readonly MethodName[]) => unknown;
