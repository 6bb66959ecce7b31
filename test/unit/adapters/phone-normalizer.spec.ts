import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';

import { phoneNormalizer } from '../../../lib/adapters/phone/index.js';
import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { canonicalToken } from '../../../lib/limits/canonical-token.js';

/** Ways to write +1 415 555 0123 in the United States. */
const SPELLINGS = [
  '+1 (415) 555-0123',
  '+14155550123',
  '0014155550123',
  '+1415555０123',
  '＋１ ４１５ ５５５ ０１２３',
  '+1 415 555 0123 ext. 5',
  '+1-415-555-0123;ext=5',
  '+1 415 555 0123x5',
  'tel:+1-415-555-0123',
  '00 1 415/555/0123 #5',
  '(415) 555-0123',
  '415.555.0123',
  '4155550123',
  '1 415 555 0123',
  '٤١٥ ٥٥٥ ٠١٢٣',
  '+1 (0)415 555 0123',
  ' 415\u00A0555\u20110123 ',
  '001 415 555 0123',
  '011 1 415 555 0123',
  '011-1-415-555-0123 x5',
  '(415) 555-0123 #5',
  '(415) 555-0123,5',
  '415-555-0123 extension 5',
  '+1 415 555 0123;phone-context=+1;ext=5',
  'tel:415-555-0123;phone-context=+1',
  'tel:+1-415-555-0123;ext=5;phone-context=sms.example',
  '415\u00ad555\u00ad0123',
  '415\u2212555\u22120123',
  '415\u2010555\u20120123',
  '（４１５）５５５－０１２３',
];

describe('phoneNormalizer', () => {
  const inTheUnitedStates = phoneNormalizer({ defaultCountry: 'US' });
  const anywhere = phoneNormalizer();

  it.each(SPELLINGS)('spells %s in one way', (spelling) => {
    expect(inTheUnitedStates(spelling)).toBe('+14155550123');
  });

  it('reads the prefix that the country dials before a foreign number', () => {
    expect(inTheUnitedStates('011 44 20 7946 0018')).toBe('+442079460018');
    const inBritain = phoneNormalizer({ defaultCountry: 'GB' });
    expect(inBritain('00 1 415 555 0123')).toBe('+14155550123');
    for (const spelling of ['+44 (0)20 7946 0018', '(0)20 7946 0018', '020 7946 0018']) {
      expect(inBritain(spelling)).toBe('+442079460018');
    }
  });

  it('leaves national numbers alone that have no country', () => {
    expect(anywhere('(415) 555-0123')).toBe(canonicalToken('(415) 555-0123'));
    expect(anywhere('(415) 555-0123')).not.toBe('+14155550123');
    expect(anywhere('+1 (415) 555-0123 ext. 5')).toBe('+14155550123');
  });

  it.each(getCountries())('spells all numbers of %s as libphonenumber does', (country) => {
    const number = getExampleNumber(country, examples)!;
    const canonical = phoneNormalizer({ defaultCountry: country });
    for (const spelling of [
      number.formatNational(),
      `${number.formatNational()} ext. 12`,
      number.formatInternational(),
      number.format('RFC3966'),
      `00${number.number.slice(1)}`,
    ]) {
      expect(canonical(spelling), spelling).toBe(number.number);
    }
    expect(anywhere(number.formatInternational())).toBe(number.number);
  });

  it.each([
    'Ann@Bücher.example.',
    '4155550123@sms.example',
    '+14155550123@sms.example',
    'user-4155550123',
    '415 555 0123 or else',
    '12345',
    '123456789',
    '+999 123 456',
    '+',
    '00',
    '',
    '1-800-FLOWERS',
    '9'.repeat(500),
  ])('leaves %s to the built-in spelling', (token) => {
    expect(inTheUnitedStates(token)).toBe(canonicalToken(token));
  });

  it('wants a country that exists', () => {
    for (const defaultCountry of ['us', 'XX', 'USA', 1, '']) {
      const make = (): unknown => phoneNormalizer({ defaultCountry: defaultCountry as never });
      expect(make).toThrow(TwoFactorConfigurationError);
      expect(make).toThrow("{ defaultCountry: 'US' }");
    }
  });

  it('refuses an unknown option, which the error names, and options that are no object', () => {
    const make = (options: unknown) => (): unknown => phoneNormalizer(options as never);

    // Misspelt, it would leave national numbers without a country, and one phone with two budgets.
    expect(make({ defaultcountry: 'US' })).toThrow(
      'There is no option of phoneNormalizer: defaultcountry. Known: defaultCountry.',
    );
    for (const options of [null, 'US']) expect(make(options)).toThrow(TwoFactorConfigurationError);
  });
});
