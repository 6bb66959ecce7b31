import {
  isSupportedCountry,
  parsePhoneNumberFromString,
  type CountryCode,
} from 'libphonenumber-js/min';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { canonicalToken } from '../../limits/canonical-token.js';

/** The options of `phoneNormalizer`. */
export interface PhoneNormalizerOptions {
  /**
   * The country of numbers without a country code, as ISO 3166-1 alpha-2: `US`. Leave it out where tokens may be digits
   * that are no phone number, such as chat ids: those that could be a number of that country would share its budgets.
   *
   * @default none: national numbers are what they are
   */
  readonly defaultCountry?: CountryCode | undefined;
}

/**
 * For the option `limits.normalizeToken`: one budget for all spellings of a phone number. National and international ones,
 * with `+`, `00` or the default country's own prefix, in any digits, with or without an extension, become E.164; everything
 * else, mail addresses above all, is spelt as it is without this function.
 *
 * It takes the metadata `min` of `libphonenumber-js` (80 kB): `max` (150 kB) only adds which numbers are assigned and of
 * what type, `mobile` forgets land lines, and neither spells a number in another way. A number need not be assigned: a budget
 * must hold for what cannot be reached, too.
 *
 * @throws TwoFactorConfigurationError for a country that does not exist.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ limits: { normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) } });
 * ```
 * @publicApi
 */
export function phoneNormalizer({ defaultCountry }: PhoneNormalizerOptions = {}): (
  token: string,
) => string {
  if (defaultCountry !== undefined && !isSupportedCountry(defaultCountry)) {
    throw new TwoFactorConfigurationError(
      `phoneNormalizer knows no country ${String(defaultCountry)}. Write two capital letters: { defaultCountry: 'US' }.`,
    );
  }
  // All of the token, or it is no phone number.
  const how = { extract: false, ...(defaultCountry && { defaultCountry }) };
  return (token) => {
    const text = canonicalToken(token);
    if (text.includes('@')) return text;
    const number = parsePhoneNumberFromString(text, how);
    return number?.isPossible() ? number.number : text;
  };
}
