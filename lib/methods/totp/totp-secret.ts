import { TwoFactorInputError } from '../../errors/index.js';
import { isInteger } from '../../options/index.js';
import { bytesOfBase32 } from './base32.js';
import type { TotpAlgorithm, TotpParameters } from './totp-code.js';

/** The parameters as they are sealed, under short names. */
interface StoredTotp {
  /** Base64url. */
  readonly s: string;
  readonly d: number;
  readonly p: number;
  readonly a: TotpAlgorithm;
}

const ALGORITHMS: ReadonlySet<unknown> = new Set(['SHA1', 'SHA256', 'SHA512']);
/** 112 bits, as NIST SP 800-63B-4 3.1.4 asks. Many apps that were enrolled elsewhere have the 80 bits of the first ones. */
const SECRET_BYTES = { short: 10, min: 14, max: 64 } as const;
const DIGITS = { min: 6, max: 8 } as const;
const PERIOD = { min: 15, max: 120 } as const;
/** Longer input is refused before any further check. */
const MAX_TEXT_LENGTH = 256;

/** The data of an app, which is stored sealed. */
export function totpData({ secret, digits, period, algorithm }: TotpParameters): string {
  const stored: StoredTotp = {
    s: Buffer.from(secret).toString('base64url'),
    d: digits,
    p: period,
    a: algorithm,
  };
  return JSON.stringify(stored);
}

/** The app of an intact factor. */
export function totpOf(data: string): TotpParameters {
  const { s, d, p, a } = JSON.parse(data) as StoredTotp;
  return { secret: Buffer.from(s, 'base64url'), digits: d, period: p, algorithm: a };
}

/** @throws TwoFactorInputError for a member that no authenticator app would have. */
export function parseImported(input: Readonly<Record<string, unknown>>): TotpParameters {
  const { secret, digits = 6, period = 30, algorithm = 'SHA1', allowShortSecrets = false } = input;
  if (typeof allowShortSecrets !== 'boolean') {
    throw new TwoFactorInputError('allowShortSecrets is true or false.');
  }
  const bytes =
    typeof secret === 'string' && secret.length <= MAX_TEXT_LENGTH
      ? bytesOfBase32(secret.replaceAll(/[ -]/g, ''))
      : null;
  const { short, min, max } = SECRET_BYTES;
  if (bytes === null || bytes.length < short || bytes.length > max) {
    throw new TwoFactorInputError(`The secret of an app is ${min} to ${max} bytes in base32.`);
  }
  if (bytes.length < min && !allowShortSecrets) {
    throw new TwoFactorInputError(
      `The secret of an app has ${min} bytes (112 bits) or more. Import one of ${short} to ${min - 1} bytes with allowShortSecrets: ` +
        'true, and ask the person to enrol again.',
    );
  }
  if (
    !isInteger(digits, DIGITS.min, DIGITS.max) ||
    !isInteger(period, PERIOD.min, PERIOD.max) ||
    !ALGORITHMS.has(algorithm)
  ) {
    throw new TwoFactorInputError(
      'An app has 6 to 8 digits, a period of 15 to 120 seconds, and the algorithm SHA1, SHA256 or SHA512.',
    );
  }
  return { secret: bytes, digits, period, algorithm: algorithm as TotpAlgorithm };
}
