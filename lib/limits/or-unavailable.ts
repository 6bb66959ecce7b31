import { messageOf, TwoFactorError, TwoFactorUnavailableError } from '../errors/index.js';

/** @throws TwoFactorUnavailableError for an error of the store, without what the store says about its keys. */
export async function orUnavailable<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof TwoFactorError) throw error;
    const cause = new Error(messageOf(error));
    throw new TwoFactorUnavailableError('The limit store does not answer. Try again.', { cause });
  }
}
