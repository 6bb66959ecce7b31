import type { Clock } from '../options/index.js';
import type { FactorService, FactorView } from '../methods/index.js';
import { bytesOfBase32 } from '../methods/totp/base32.js';
import { stepAt, totpCode as codeOfStep, type TotpParameters } from '../methods/totp/totp-code.js';
import { assertDevelopment } from './assert-development.js';
import {
  SoftwareAuthenticator,
  type SoftwareAuthenticatorOptions,
} from './software-authenticator.js';

/** A subject with an active authenticator app. */
export interface EnrolledApp {
  readonly factor: FactorView;
  /** Base32, as the person scanned it. */
  readonly secret: string;
  /** The codes that the first authenticator of a subject brings, where recovery codes are configured; else empty. */
  readonly recoveryCodes: readonly string[];
}

/** A subject with an active passkey. */
export interface EnrolledAuthenticator {
  readonly factor: FactorView;
  /** The authenticator that holds the passkey. */
  readonly authenticator: SoftwareAuthenticator;
  /** The same as `recoveryCodes` of `EnrolledApp`. */
  readonly recoveryCodes: readonly string[];
}

/** The parameters of the apps that `enrolledApp` enrols. Imported apps may have others. */
const PARAMETERS = { digits: 6, period: 30, algorithm: 'SHA1' } as const;

/**
 * The code that an authenticator app shows now (RFC 6238, with 6 digits of 30 seconds).
 *
 * @param secret in base32, as `FactorService.enrol` returned it.
 * @param clock the one of the application, such as its `FakeClock`.
 * @throws TypeError for a text that is no base32; TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`.
 * @example
 * ```ts
 * const { secret } = await enrolledApp(factors, { subject: 'ann', clock });
 * await confirmer.confirm(id, { method: 'totp', code: totpCode(secret, clock) });
 * ```
 * @publicApi
 */
export function totpCode(secret: string, clock: Clock): string {
  assertDevelopment('totpCode');
  return codeShownAt(secret, clock.now());
}

/**
 * Enrols an authenticator app for a subject and activates it with the code of the previous time step. The code of the current
 * time step stays unused, so that a test can confirm with it.
 *
 * @throws TwoFactorConfigurationError without `totp()` in the option `methods`, and unless `NODE_ENV` is `development` or `test`.
 * @publicApi
 */
export function enrolledApp(
  factors: FactorService,
  input: { readonly subject: string; readonly clock: Clock },
): Promise<EnrolledApp> {
  assertDevelopment('enrolledApp');
  return enrolApp(factors, input.subject, input.clock);
}

async function enrolApp(
  factors: FactorService,
  subject: string,
  clock: Clock,
): Promise<EnrolledApp> {
  const { factor, secret } = await factors.enrol({ subject, method: 'totp' });
  // The server accepts the code of the previous time step too.
  const response = codeShownAt(secret, clock.now() - PARAMETERS.period * 1_000);
  const activated = await factors.activate({ subject, factor: factor.id, response });
  if (activated === null) throw new TypeError('The clock is not the one of the application.');
  return { factor: activated.factor, secret, recoveryCodes: activated.recoveryCodes ?? [] };
}

/**
 * Enrols a passkey for a subject, in a new `SoftwareAuthenticator`.
 *
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`.
 * @example
 * ```ts
 * const { authenticator } = await enrolledPasskey(factors, { subject: 'ann', origin: 'https://acme.example' });
 * const options = await confirmer.challenge(id, { method: 'passkey' });
 * await confirmer.confirm(id, { method: 'passkey', response: authenticator.get(options) });
 * ```
 * @publicApi
 */
export function enrolledPasskey(
  factors: FactorService,
  input: SoftwareAuthenticatorOptions & { readonly subject: string },
): Promise<EnrolledAuthenticator> {
  assertDevelopment('enrolledPasskey');
  const { subject, ...options } = input;
  return enrolIn(new SoftwareAuthenticator(options), factors, subject);
}

async function enrolIn(
  authenticator: SoftwareAuthenticator,
  factors: FactorService,
  subject: string,
): Promise<EnrolledAuthenticator> {
  const begun = await factors.enrol({ subject, method: 'passkey' });
  const response = authenticator.create(begun.options);
  const activated = await factors.activate({ subject, factor: begun.factor.id, response });
  if (activated === null) {
    throw new TypeError('The passkey was refused. Give an origin that the option origins lists.');
  }
  return { factor: activated.factor, authenticator, recoveryCodes: activated.recoveryCodes ?? [] };
}

function codeShownAt(secret: string, now: number): string {
  const bytes = bytesOfBase32(secret);
  if (bytes === null) throw new TypeError('The secret of an app is base32.');
  const parameters: TotpParameters = { secret: bytes, ...PARAMETERS };
  return codeOfStep(stepAt(now, parameters), parameters);
}
