import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { MethodDefinition } from '../../options/index.js';
import { RecoveryMethod } from './recovery.method.js';

/** The options of `recoveryCodes`. */
export interface RecoveryCodesOptions {
  /** Codes of a set, 1 to 20. @default 10 */
  readonly count?: number | undefined;
}

const MAX_CODES = 20;

/**
 * Recovery codes: created with the first authenticator of a subject and shown once, each of them good for one confirmation.
 * They have 125 random bits, so that they are not counted as guesses, and no lock stops them.
 *
 * @throws TwoFactorConfigurationError for another number of codes.
 * @publicApi
 */
export function recoveryCodes(options: RecoveryCodesOptions = {}): MethodDefinition {
  const { count = 10, ...others } = options ?? {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `recoveryCodes() knows no option ${unknown}. It takes count.`,
    );
  }
  if (!Number.isInteger(count) || count < 1 || count > MAX_CODES) {
    throw new TwoFactorConfigurationError(
      `The option count of recoveryCodes() is a whole number from 1 to ${MAX_CODES}.`,
    );
  }
  return new RecoveryMethod(count);
}
