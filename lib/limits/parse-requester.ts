import { TwoFactorInputError } from '../errors/index.js';

const MAX_REQUESTER_LENGTH = 255;

/**
 * The requester of a message: an IP address, or an id of a session or a user.
 *
 * @throws TwoFactorInputError for anything but `undefined` and 1 to 255 characters.
 */
export function parseRequester(requester: unknown): string | undefined {
  if (requester === undefined) return undefined;
  if (
    typeof requester === 'string' &&
    requester !== '' &&
    requester.length <= MAX_REQUESTER_LENGTH
  ) {
    return requester;
  }
  throw new TwoFactorInputError(
    `A requester is a string of 1 to ${MAX_REQUESTER_LENGTH} characters.`,
  );
}
