import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { proofOf, type ConfirmationProof } from './confirmation-proof.js';

/** Marks the factory of this decorator, so that the checks at boot recognise the parameter. */
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

/** Whether a parameter's factory belongs to `@Confirmation()`. */
export function isProofParameterFactory(factory: unknown): boolean {
  return typeof factory === 'function' && IS_CONFIRMATION in factory;
}

/**
 * Injects the `ConfirmationProof` of a route with `@RequireConfirmation(purpose, { useIn: 'handler' })`.
 *
 * @throws TwoFactorConfigurationError on a route without that decorator.
 *
 * @publicApi
 */
export const Confirmation = createParamDecorator(proofOfCall);
