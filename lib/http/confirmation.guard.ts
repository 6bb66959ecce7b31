import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { ConfirmerService, ProofReservation, type CheckInput } from '../confirmation/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { proofIdOf } from './confirmation-id.js';
import { assertCanCarryProof, attachProof } from './confirmation-proof.js';
import {
  CONFIRMATION_REQUIREMENT,
  type ConfirmationRequirement,
} from './confirmation-requirement.js';
import { postpone } from './enhancer-order.js';
import { errorForRefusal } from './proof-refusal.js';
import { PurposeService } from './purpose.service.js';
import { toTransportError } from './two-factor-http.exception.js';

/**
 * The guard of `@RequireConfirmation`: uses the proof of a call, or reserves it for the handler. It is exported for tests, which
 * override it: `overrideGuard(ConfirmationGuard).useValue({ canActivate: () => true })`. A handler that takes `@Confirmation()`
 * needs a proof instead: `confirmer.makeConfirmation({ purpose, subject, details, isConfirmed: true })`.
 *
 * @publicApi
 */
@Injectable()
export class ConfirmationGuard implements CanActivate {
  /** The contexts that passed. A guard on a class and on its method runs twice for one call, and must use one proof. */
  readonly #passed = new WeakSet<ExecutionContext>();

  /** @internal It is injected. */
  constructor(
    private readonly reflector: Reflector,
    private readonly confirmer: ConfirmerService,
    private readonly purposes: PurposeService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (!postpone(context, () => this.#requireProofOnce(context)))
      await this.#requireProofOnce(context);
    return true;
  }

  async #requireProofOnce(context: ExecutionContext): Promise<void> {
    if (this.#passed.has(context)) return;
    try {
      await this.#requireProof(context);
    } catch (error) {
      throw toTransportError(error, context);
    }
    this.#passed.add(context);
  }

  /**
   * @throws TwoFactorConfigurationError when the purpose of a route cannot be guarded, or no proof could ever open the route.
   * @internal
   */
  assertGuardable(requirement: ConfirmationRequirement, where: string): void {
    this.purposes.assertRouteGuardable(requirement, where);
  }

  async #requireProof(context: ExecutionContext): Promise<void> {
    const requirement = this.reflector.getAllAndOverride<ConfirmationRequirement | undefined>(
      CONFIRMATION_REQUIREMENT,
      [context.getHandler(), context.getClass()],
    );
    if (requirement === undefined) {
      throw new TwoFactorConfigurationError(
        'ConfirmationGuard works through @RequireConfirmation. Use that.',
      );
    }
    const { purpose, useIn, senders, confirmedBy } = requirement;
    // A caller without a session is refused before anything of the call is read, and learns nothing about an id.
    const subject = await this.purposes.subject(purpose, context);
    const id = await idOf(requirement, context);
    const details = await this.purposes.routeDetails(purpose, requirement.details, context);
    const binding: CheckInput = { purpose, subject, details, senders, confirmedBy, context };
    if (useIn === 'handler') {
      assertCanCarryProof(context);
      const reserved = await this.confirmer.reserve(id, binding);
      if (!(reserved instanceof ProofReservation)) throw errorForRefusal(reserved);
      attachProof(context, reserved);
    } else {
      const refusal = await this.confirmer.redeem(id, binding);
      if (refusal !== null) throw errorForRefusal(refusal);
    }
  }
}

async function idOf(
  { confirmationId }: ConfirmationRequirement,
  context: ExecutionContext,
): Promise<string> {
  if (!confirmationId && context.getType() !== 'http') {
    throw new TwoFactorConfigurationError(
      `Over ${context.getType()} there are no headers. Give @RequireConfirmation a confirmationId: (context) => id.`,
    );
  }
  return proofIdOf(context, confirmationId);
}
