import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE, type MethodDefinition } from '../../options/index.js';
import { TotpMethod } from './totp.method.js';

/** The options of `totp`. */
export interface TotpOptions {
  /** The name of the service as apps show it, 1 to 64 characters without a colon. */
  readonly issuer: string;
  /**
   * Apps of one subject, 1 to 3. The oldest one makes place for another. Each app triples what one guess can hit. @default 1
   */
  readonly max?: number | undefined;
}

const MAX_APPS = 3;

/**
 * Authenticator apps (RFC 6238): 6 digits of 30 seconds, with one step of tolerance on each side. Each step is accepted once
 * for each app, on all instances.
 *
 * @throws TwoFactorConfigurationError for an issuer that apps could not show, and for another number of apps.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ secret, methods: [totp({ issuer: 'ACME' }), recoveryCodes()] });
 * ```
 * @publicApi
 */
export function totp(options: TotpOptions): MethodDefinition {
  const { issuer, max = 1, ...others } = (options ?? {}) as Partial<TotpOptions>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `totp() knows no option ${unknown}. It takes issuer and max.`,
    );
  }
  if (
    typeof issuer !== 'string' ||
    issuer === '' ||
    issuer.length > 64 ||
    issuer.includes(':') ||
    !issuer.isWellFormed() ||
    !isOneLine(issuer)
  ) {
    throw new TwoFactorConfigurationError(
      `The issuer of totp() is 1 to 64 characters without a colon: ${ONE_LINE_RULE}. Give the name of the service, which ` +
        'apps show above the code.',
    );
  }
  if (!Number.isInteger(max) || max < 1 || max > MAX_APPS) {
    throw new TwoFactorConfigurationError(
      `The option max of totp() is a whole number from 1 to ${MAX_APPS}.`,
    );
  }
  return new TotpMethod(issuer, max);
}
