import {
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
  type CountryCode,
  type PhoneNumber,
} from 'libphonenumber-js/min';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { canonicalToken } from '../../limits/canonical-token.js';
import { expectObject, refuseUnknown } from '../../options/validate.js';

/** The options of `phoneNormalizer`. */
export interface PhoneNormalizerOptions {
  /**
   * The country of numbers without a country code, as ISO 3166-1 alpha-2: `US`. Leave it out where recipients may be other
   * digits, such as chat ids, because a chat id that looks like a number of that country would share the quotas of that number.
   *
   * @default none: national numbers stay unchanged
   */
  readonly defaultCountry?: CountryCode | undefined;
}

/**
 * Creates a function for the option `limits.normalizeToken`, so that all spellings of a phone number share one quota. National and
 * international numbers, with `+`, `00` or the default country's own prefix, in any digits, with or without an extension, become
 * E.164. For all other recipients, such as mail addresses, the result is that of the built-in function.
 *
 * It uses the metadata `min` of `libphonenumber-js` (80 kB). `max` (150 kB) adds only which numbers are assigned and of what
 * type, and `mobile` omits land lines; neither changes the result. Unassigned numbers are normalised as well, because a quota
 * must also hold for numbers that cannot be reached.
 *
 * @throws TwoFactorConfigurationError for a country that does not exist, and for an unknown option.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ limits: { normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) } });
 * ```
 * @publicApi
 */
export function phoneNormalizer(options: PhoneNormalizerOptions = {}): (token: string) => string {
  const { defaultCountry } = expectObject(
    'The argument of phoneNormalizer',
    options,
  ) as PhoneNormalizerOptions;
  refuseUnknown('option of phoneNormalizer:', options, ['defaultCountry']);
  if (defaultCountry !== undefined && !isSupportedCountry(defaultCountry)) {
    throw new TwoFactorConfigurationError(
      `phoneNormalizer knows no country ${String(defaultCountry)}. Write two capital letters: { defaultCountry: 'US' }.`,
    );
  }
  // `extract: false`: the whole text must be a phone number, so that no number is read out of a longer text.
  const callingCode = defaultCountry && getCountryCallingCode(defaultCountry);
  const how = { extract: false, ...(defaultCountry && { defaultCountry }) };
  return (token) => {
    const text = canonicalToken(token);
    if (text.includes('@')) return text;
    const number = parsePhoneNumberFromString(text, how);
    const international = parseWithoutPlus(text, callingCode, number?.isPossible() === true);
    if (international) return international.number;
    if (number?.isPossible()) return number.number;
    // The number is tried again without leading zeros. Some countries dial no zero before a national number, and people who come
    // from a country that does write the zero anyway.
    const bare = parsePhoneNumberFromString(text.replace(/^0+/, ''), how);
    return bare?.isPossible() ? bare.number : text;
  };
}

/**
 * The number of digits such as `4915123456789`, which many providers take for `+4915123456789`. Digits that may be a number of the
 * default country are one, unless they begin with its own country code.
 */
function parseWithoutPlus(
  text: string,
  callingCode: string | undefined,
  isNational: boolean,
): PhoneNumber | undefined {
  if (!/^[1-9]\d{6,14}$/.test(text)) return undefined;
  if (isNational && (callingCode === undefined || !text.startsWith(callingCode))) return undefined;
  const number = parsePhoneNumberFromString(`+${text}`, { extract: false });
  return number?.isValid() ? number : undefined;
}
