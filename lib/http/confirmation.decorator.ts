import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { proofOf, type ConfirmationProof } from './confirmation-proof.js';

/**
 * The proof of a route with `@RequireConfirmation(..., { useIn: 'handler' })`, as a `ConfirmationProof`.
 *
 * @publicApi
 */
export const Confirmation = createParamDecorator(
  (_: unknown, context: ExecutionContext): ConfirmationProof => {
    const proof = proofOf(context);
    if (proof === undefined) {
      throw new TwoFactorConfigurationError(
        "There is no proof for @Confirmation(). Put @RequireConfirmation(purpose, { useIn: 'handler' }) on the route.",
      );
    }
    return proof;
  },
);
