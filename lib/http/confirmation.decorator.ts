import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { proofOf, type ConfirmationProof } from './confirmation-proof.js';

/** Marks the factory, so that the boot finds the parameter among those of a handler. */
const IS_CONFIRMATION = Symbol.for('nestjs-two-factor:confirmation-parameter');

function proofOfCall(_: unknown, context: ExecutionContext): ConfirmationProof {
  const proof = proofOf(context);
  if (proof === undefined) {
    throw new TwoFactorConfigurationError(
      "There is no proof for @Confirmation(). Put @RequireConfirmation(purpose, { useIn: 'handler' }) on the route.",
    );
  }
  return proof;
}

Object.defineProperty(proofOfCall, IS_CONFIRMATION, { value: true });

/** Whether a parameter's factory is that of `@Confirmation()`. */
export function isConfirmationFactory(factory: unknown): boolean {
  return typeof factory === 'function' && IS_CONFIRMATION in factory;
}

/**
 * The proof of a route with `@RequireConfirmation(..., { useIn: 'handler' })`, as a `ConfirmationProof`.
 *
 * @publicApi
 */
export const Confirmation = createParamDecorator(proofOfCall);
