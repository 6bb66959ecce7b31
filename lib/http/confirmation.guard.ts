import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { ConfirmerService, type CheckInput } from '../confirmation/index.js';
import { parseId } from '../crypto/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  TwoFactorError,
} from '../errors/index.js';
import { assertCarriesProof, attachProof } from './confirmation-proof.js';
import {
  CONFIRMATION_REQUIREMENT,
  type ConfirmationRequirement,
} from './confirmation-requirement.js';
import { postpone } from './enhancer-order.js';
import { PurposeService } from './purpose.service.js';
import { forTransport } from './two-factor-http.exception.js';

const ID_HEADER = 'x-confirmation-id';

/** The guard of `@RequireConfirmation`: uses the proof of a call, or reserves it for the handler. */
@Injectable()
export class ConfirmationGuard implements CanActivate {
  /** The contexts that passed. A guard on a class and on its method runs twice for one call, and must use one proof. */
  readonly #passed = new WeakSet<ExecutionContext>();

  constructor(
    private readonly reflector: Reflector,
    private readonly confirmer: ConfirmerService,
    private readonly purposes: PurposeService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (!postpone(context, () => this.#pass(context))) await this.#pass(context);
    return true;
  }

  async #pass(context: ExecutionContext): Promise<void> {
    if (this.#passed.has(context)) return;
    try {
      await this.#requireProof(context);
    } catch (error) {
      throw forTransport(error, context);
    }
    this.#passed.add(context);
  }

  /** @throws TwoFactorConfigurationError when the purpose of a route cannot be guarded. */
  assertGuardable(requirement: ConfirmationRequirement, where: string): void {
    this.purposes.assertGuardable(requirement.purpose, where);
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
    const { purpose, useIn, senders } = requirement;
    const id = await idOf(requirement, context);
    const subject = await this.purposes.subject(purpose, context);
    const details = await this.purposes.routeDetails(purpose, requirement.details, context);
    const binding: CheckInput = { purpose, subject, details, senders };
    if (useIn === 'handler') {
      assertCarriesProof(context);
      const reservation = await this.confirmer.reserve(id, binding);
      if (reservation === null) throw await this.#refusal(id, binding);
      attachProof(context, reservation);
    } else if (!(await this.confirmer.use(id, binding))) {
      throw await this.#refusal(id, binding);
    }
  }

  /** The reason of a refusal, read after it. The proof may have become usable in between. */
  async #refusal(id: string, binding: CheckInput): Promise<TwoFactorError> {
    const [state] = await this.confirmer.check(id, binding);
    return state?.isUsed
      ? new TwoFactorConfirmationUsedError('The proof is used, or reserved by a call that runs.')
      : new TwoFactorConfirmationRequiredError('There is no proof that fits. Confirm first.');
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
  const id: unknown = await (confirmationId ? confirmationId(context) : headerOf(context));
  if (id === undefined || id === null || id === '') {
    throw new TwoFactorConfirmationRequiredError('No confirmation id was given. Confirm first.');
  }
  return parseId(id);
}

function headerOf(context: ExecutionContext): unknown {
  return context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>().headers[
    ID_HEADER
  ];
}
