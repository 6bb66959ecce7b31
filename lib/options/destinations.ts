import { TwoFactorConfigurationError } from '../errors/index.js';

/** The number that a token is, as far as the limits and the reports need it. */
export interface ParsedNumber {
  /** The country as ISO 3166-1 alpha-2: `UA`. */
  readonly country: string;
  /** The calling code of the country, without `+`: `380`. */
  readonly callingCode: string;
  /** The digits after the calling code: `501234567`. */
  readonly nationalNumber: string;
}

/** Why a token gets no message, without any part of the token: it stands in errors and in the log. */
export interface DestinationRefusal {
  /** Continues the sentence "The destinations of the sender sms refuse the token:". */
  readonly refusal: string;
}

/**
 * The numbers that a sender sends to, made by `phoneDestinations` of `nestjs-two-factor/phone`.
 *
 * @publicApi
 */
export interface DestinationRules {
  /** Called once at boot, before any token is asked for, to load what it needs. */
  prepare?(): Promise<void>;
  /** The number that a token is, or why it gets no message. Called for each message: it must be fast, and never throw. */
  destinationOf(token: string): ParsedNumber | DestinationRefusal;
}

/** @throws TwoFactorConfigurationError for anything but rules. */
export function assertDestinations(sender: string, rules: unknown): void {
  if (rules === undefined) return;
  const { destinationOf } = (rules ?? {}) as Partial<DestinationRules>;
  if (typeof destinationOf === 'function') return;
  throw new TwoFactorConfigurationError(
    `The destinations of sender ${sender} are no rules. Give what phoneDestinations() of nestjs-two-factor/phone returns.`,
  );
}
