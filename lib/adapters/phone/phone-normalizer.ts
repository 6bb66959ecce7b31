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
   * The country of numbers without a country code, as ISO 3166-1 alpha-2: `US`. Leave it out where tokens may be other digits,
   * such as chat ids, because a chat id that looks like a number of that country would share the quotas of that number.
   *
   * @default none: national numbers stay unchanged
   */
  readonly defaultCountry?: CountryCode | undefined;
}

/**
 * Creates a function for the option `limits.normalizeToken`, so that all spellings of a phone number share one quota. National and
 * international numbers, with `+`, `00` or the default country's own prefix, in any digits, with or without an extension, become
 * E.164. For all other tokens, such as mail addresses, the result is that of the built-in function.
 *
 * It uses the metadata `min` of `libphonenumber-js` (80 kB). `max` (150 kB) adds only which numbers are assigned and of what
 * type, and `mobile` omits land lines; neither changes the result. Unassigned numbers are normalised as well, because a quota
 * must also hold for numbers that cannot be reached.
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
  // `extract: false`: the whole token must be a phone number, so that no number is read out of a longer text.
  const how = { extract: false, ...(defaultCountry && { defaultCountry }) };
  return (token) => {
    const text = canonicalToken(token);
    if (text.includes('@')) return text;
    const number = parsePhoneNumberFromString(text, how);
    return number?.isPossible() ? number.number : text;
  };
}
