import { isSupportedCountry, type CountryCode, type NumberType } from 'libphonenumber-js/min';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { ParsedNumber, DestinationRefusal, DestinationRules } from '../../options/index.js';
import { expectObject, refuseUnknown } from '../../options/validate.js';

/** A type of numbers of `libphonenumber-js`, such as `VOIP`. */
export type PhoneNumberType = Exclude<NumberType, undefined>;

/** The options of `phoneDestinations`. */
export interface PhoneDestinationsOptions {
  /**
   * The countries of the numbers that get messages, as ISO 3166-1 alpha-2: `['UA', 'PL']`. Territories with numbers of their own
   * are countries of their own: `GB` leaves out Guernsey, Jersey and the Isle of Man, and `US` the Caribbean. `'all'`: every country.
   */
  readonly countries: readonly CountryCode[] | 'all';
  /**
   * Further types of numbers that get no messages, such as `VOIP` or `FIXED_LINE`. `PREMIUM_RATE`, `SHARED_COST`, `PERSONAL_NUMBER`,
   * `PAGER`, `UAN` and `VOICEMAIL` never get any. @default []
   */
  readonly denyTypes?: readonly PhoneNumberType[] | undefined;
  /**
   * Whether numbers get messages that no operator has, by the metadata of `libphonenumber-js`. Fraudsters use such ranges; update the
   * package to know the newest ones. @default false
   */
  readonly allowUnassigned?: boolean | undefined;
}

const OPTION_NAMES = [
  'countries',
  'denyTypes',
  'allowUnassigned',
] satisfies (keyof PhoneDestinationsOptions)[];

/** Types whose messages or calls cost more than others, and part of whose price goes to the owner of the number. */
const COSTLY: readonly PhoneNumberType[] = [
  'PREMIUM_RATE',
  'SHARED_COST',
  'PERSONAL_NUMBER',
  'PAGER',
  'UAN',
  'VOICEMAIL',
];
const OTHER_TYPES: readonly PhoneNumberType[] = [
  'FIXED_LINE',
  'FIXED_LINE_OR_MOBILE',
  'MOBILE',
  'TOLL_FREE',
  'VOIP',
];
/** A number with its country code, and what people write between its digits. */
const INTERNATIONAL = /^\+[0-9][0-9 ().-]{5,30}$/;

type ParsePhoneNumber = typeof import('libphonenumber-js/max').parsePhoneNumberFromString;

/**
 * Creates rules for the member `destinations` of a sender: which phone numbers it sends to. All other tokens are refused before
 * anything is counted, stored or sent, with the answer for every unusable recipient (HTTP 422, `recipient-not-allowed`).
 *
 * A token must be the whole number with `+` and its country code, because a provider may read other spellings in another way than
 * these rules do. Satellite and other international networks get no message.
 *
 * It uses the metadata `max` of `libphonenumber-js` (150 kB), loaded at boot.
 *
 * @throws TwoFactorConfigurationError for a country or a type that does not exist, and for an unknown option.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({
 *   senders: {
 *     sms: { backend: SmsBackend, destinations: phoneDestinations({ countries: ['UA', 'PL'] }) },
 *   },
 * });
 * ```
 * @publicApi
 */
export function phoneDestinations(options: PhoneDestinationsOptions): DestinationRules {
  const given = expectObject('The argument of phoneDestinations', options);
  refuseUnknown('option of phoneDestinations:', given, OPTION_NAMES);
  const countries = countriesOf(given['countries']);
  const denied = new Set<PhoneNumberType>([...COSTLY, ...typesOf(given['denyTypes'])]);
  const { allowUnassigned = false } = given;
  if (typeof allowUnassigned !== 'boolean') {
    throw new TwoFactorConfigurationError(
      'The option allowUnassigned of phoneDestinations is neither true nor false. Give one of them.',
    );
  }
  return new PhoneDestinations(countries, denied, allowUnassigned);
}

class PhoneDestinations implements DestinationRules {
  #parse: ParsePhoneNumber | null = null;

  constructor(
    private readonly countries: ReadonlySet<string> | null,
    private readonly denied: ReadonlySet<PhoneNumberType>,
    private readonly allowUnassigned: boolean,
  ) {}

  /** Loads the full metadata only now, because an application that uses `phoneNormalizer` alone does not need it. */
  async prepare(): Promise<void> {
    const { parsePhoneNumberFromString } = await import('libphonenumber-js/max');
    this.#parse = parsePhoneNumberFromString;
  }

  destinationOf(token: string): ParsedNumber | DestinationRefusal {
    if (this.#parse === null) {
      throw new TwoFactorConfigurationError(
        'The phone numbers were asked for before the application was initialized. Call app.init() first.',
      );
    }
    const number = INTERNATIONAL.test(token) ? this.#parse(token, { extract: false }) : undefined;
    // The digits that a provider reads must be those that were checked: +44 (0) 79... is no number to every provider.
    if (number === undefined || number.number !== `+${token.replace(/\D/g, '')}`) {
      return { refusal: 'it is no phone number with + and its country code' };
    }
    const { country, countryCallingCode: callingCode, nationalNumber } = number;
    if (number.isNonGeographic()) return { refusal: 'it belongs to no country' };
    const type = number.getType();
    if (type !== undefined && this.denied.has(type)) return { refusal: `its type is ${type}` };
    const isAssigned = type !== undefined && country !== undefined;
    if (!isAssigned && !(this.allowUnassigned && number.isPossible())) {
      return { refusal: 'no operator has it' };
    }
    if (this.countries !== null && (country === undefined || !this.countries.has(country))) {
      return { refusal: `its country is ${country ?? 'unknown'}` };
    }
    return { country: country ?? 'unknown', callingCode, nationalNumber };
  }
}

function countriesOf(input: unknown): ReadonlySet<string> | null {
  if (input === 'all') return null;
  if (!Array.isArray(input) || input.length === 0) {
    throw new TwoFactorConfigurationError(
      "The option countries of phoneDestinations names no country. Give the countries of your users, { countries: ['UA'] }, or 'all'.",
    );
  }
  const countries: readonly unknown[] = input;
  const unknown = countries.find(
    (country) => typeof country !== 'string' || !isSupportedCountry(country),
  );
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `phoneDestinations knows no country ${JSON.stringify(unknown)}. Write two capital letters: { countries: ['UA'] }.`,
    );
  }
  return new Set(countries as readonly string[]);
}

function typesOf(input: unknown = []): readonly PhoneNumberType[] {
  const known: readonly unknown[] = [...COSTLY, ...OTHER_TYPES];
  if (Array.isArray(input) && input.every((type) => known.includes(type))) {
    return input as readonly PhoneNumberType[];
  }
  throw new TwoFactorConfigurationError(
    `The option denyTypes of phoneDestinations is a list of ${known.join(', ')}. Mend it.`,
  );
}
