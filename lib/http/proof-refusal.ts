import type { ProofRefusal } from '../confirmation/index.js';
import {
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  type TwoFactorError,
} from '../errors/index.js';

/** The error for a proof that was refused, on a guarded route and for a change of the factors. */
export function errorForRefusal({ isUsed, reason }: ProofRefusal): TwoFactorError {
  return isUsed
    ? new TwoFactorConfirmationUsedError(reason)
    : new TwoFactorConfirmationRequiredError(reason);
}
