import { parseSubject } from '../confirmation/index.js';
import { TwoFactorConfigurationError, TwoFactorNoSubjectError } from '../errors/index.js';

/** @returns the text; `null` for nothing. */
export function stringOrNull(value: unknown, name: string): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string') return value;
  throw new TwoFactorConfigurationError(
    `The ${name} answered a ${typeof value}. Let it answer a string.`,
  );
}

/**
 * What an anonymous client claims may be any value. One that can be no subject is the fault of the client: as a fault of the application it
 * would raise the alarm of the operator for each request of a stranger.
 *
 * @throws TwoFactorNoSubjectError
 */
export function assertUsableClaim(claimed: unknown, name: string): void {
  if (claimed === undefined || claimed === null) return;
  try {
    parseSubject(claimed);
  } catch {
    // Without the value, which may be the name or the address of a person.
    throw new TwoFactorNoSubjectError(`The ${name} returned what can be no subject.`);
  }
}
