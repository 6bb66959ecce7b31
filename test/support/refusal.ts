import { TwoFactorTooManyRequestsError, TwoFactorUnavailableError } from '../../lib/index.js';

/** The refusal of a limit, as far as it is disclosed. */
export async function refusal(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'accepted',
    (error: unknown) => {
      if (error instanceof TwoFactorTooManyRequestsError)
        return [429, error.limit, error.retryAfterSeconds];
      if (error instanceof TwoFactorUnavailableError)
        return [503, error.limit, error.retryAfterSeconds];
      throw error;
    },
  );
}
