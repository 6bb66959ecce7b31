import { TwoFactorTooManyRequestsError, TwoFactorUnavailableError } from '../../lib/index.js';

/** What a limit says, as far as it is told. */
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
