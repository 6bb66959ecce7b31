/**
 * One phone has one budget, whatever its number is spelled like. The spellings of each country are generated from the metadata of
 * libphonenumber-js: its example number, its national and international prefixes, and its formats.
 */
import {
  getCountries,
  getCountryCallingCode,
  getExampleNumber,
  Metadata,
  type CountryCode,
} from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';

import { phoneNormalizer } from '../../../lib/adapters/phone/index.js';
import type { QuotaPlanner } from '../../../lib/limits/quota-planner.js';
import { planner as makePlanner } from '../limits/quotas.js';

const countries = getCountries();

const plannerOf = (normalizeToken?: (token: string) => string): QuotaPlanner =>
  makePlanner(normalizeToken === undefined ? {} : { normalizeToken });

/** Under which keys the messages to a token are counted. */
const keysOf = (planner: QuotaPlanner, token: string): string =>
  planner.messageKeys({ token }).join();

const arabic = (text: string): string =>
  text.replace(/\d/g, (digit) => String.fromCodePoint(0x0660 + Number(digit)));
const fullWidth = (text: string): string =>
  text.replace(/[\d+]/g, (sign) => String.fromCodePoint(sign.charCodeAt(0) + 0xfee0));

/** Spellings with a country code, which reach the phone from everywhere. */
function international(country: CountryCode): string[] {
  const number = getExampleNumber(country, examples)!;
  const code = getCountryCallingCode(country);
  const { nationalNumber } = number;
  return [
    number.number,
    number.formatInternational(),
    number.format('RFC3966'),
    `00${code}${nationalNumber}`,
    `+00${code}${nationalNumber}`,
    `+${code} (0) ${nationalNumber}`,
    `+${code}0${nationalNumber}`,
    `+${code}00${nationalNumber}`,
    `+${code}-${nationalNumber}`,
    `(+${code}) ${nationalNumber}`,
    `+${code}\u2013${nationalNumber}`,
    `${number.number} ext. 7`,
    `${number.number};ext=7`,
    arabic(number.number),
    fullWidth(number.number),
  ];
}

/** Spellings that reach the phone from within its country. */
function national(country: CountryCode): string[] {
  const number = getExampleNumber(country, examples)!;
  const code = getCountryCallingCode(country);
  const { nationalNumber } = number;
  const plan = new Metadata();
  plan.selectNumberingPlan(country);
  const { numberingPlan } = plan as unknown as {
    numberingPlan: { nationalPrefix(): string | undefined; IDDPrefix(): string };
  };
  // A zero before a number that begins with one would be an international prefix.
  const prefix = nationalNumber.startsWith('0') ? '' : (numberingPlan.nationalPrefix() ?? '0');
  // 001 and 009 of three countries begin as the 00 of all others, and are read as that.
  const [dialled] = /^(?:00|0?[1-9]\d*)$/.exec(numberingPlan.IDDPrefix()) ?? [];
  return [
    nationalNumber,
    number.formatNational(),
    arabic(number.formatNational()),
    `${prefix}${nationalNumber}`,
    `${prefix} ${nationalNumber} x12`,
    `+${code}${prefix}${nationalNumber}`,
    `00${code}${prefix}${nationalNumber}`,
    ...(dialled === undefined ? [] : [`${dialled}${code}${nationalNumber}`]),
    `${code}${nationalNumber}`,
  ];
}

describe('One phone, one budget', () => {
  const anywhere = plannerOf(phoneNormalizer());
  const builtIn = plannerOf();

  it('contains every country of the metadata', () => {
    expect(countries.length).toBeGreaterThan(240);
    expect(countries.filter((country) => !getExampleNumber(country, examples))).toEqual([]);
  });

  it.each(countries)('counts all spellings of a number of %s once', (country) => {
    const { number } = getExampleNumber(country, examples)!;
    const inside = plannerOf(phoneNormalizer({ defaultCountry: country }));
    const expected = keysOf(inside, number);
    const apart = [...international(country), ...national(country)].filter(
      (spelling) => keysOf(inside, spelling) !== expected,
    );
    expect(apart).toEqual([]);
    for (const planner of [anywhere, builtIn]) {
      const others = international(country).filter(
        (spelling) => keysOf(planner, spelling) !== expected,
      );
      expect(others).toEqual([]);
    }
  });

  it.each(countries)('counts a number of %s apart from its neighbours', (country) => {
    const { number } = getExampleNumber(country, examples)!;
    const inside = plannerOf(phoneNormalizer({ defaultCountry: country }));
    const neighbours = Array.from({ length: 10 }, (_, digit) => `${number.slice(0, -1)}${digit}`);
    for (const planner of [inside, anywhere, builtIn]) {
      expect(new Set(neighbours.map((each) => keysOf(planner, each))).size).toBe(10);
    }
  });

  it('counts the numbers of different countries apart', () => {
    const names = new Map<string, CountryCode[]>();
    for (const country of countries) {
      const key = keysOf(anywhere, getExampleNumber(country, examples)!.number);
      names.set(key, [...(names.get(key) ?? []), country]);
    }
    const shared = [...names.values()].filter(({ length }) => length > 1);
    // The examples of these countries are the same number: Svalbard is Norwegian, and so on.
    for (const each of shared) {
      const numbers = each.map((country) => getExampleNumber(country, examples)!.number);
      expect(new Set(numbers).size, each.join()).toBe(1);
    }
  });

  it.each([
    [
      'Mexico, the 1 until 2019',
      ['+52 55 1234 5678', '+52 1 55 1234 5678', '+52 044 55 1234 5678'],
    ],
    ['Mexico, 01 and 045', ['+52 55 1234 5678', '+52 01 55 1234 5678', '+52 045 55 1234 5678']],
    ['Argentina, the 9', ['+54 9 11 2345 6789', '+54 11 2345 6789', '+54 (0) 11 2345 6789']],
    ['Brazil, the ninth digit', ['+55 11 98765 4321', '+55 11 8765 4321', '+55 011 98765-4321']],
    ['Italy, the zero of land lines', ['+39 06 1234 5678', '+39 6 1234 5678']],
    ['Italy, the zero of mobile numbers until 2001', ['+39 347 123 4567', '+39 0347 123 4567']],
    ['Benin, 01', ['+229 01 95 12 34 56', '+229 95 12 34 56']],
    ['San Marino', ['+378 0549 886377', '+378 886377', '+39 0549 886377']],
    ['Guadeloupe', ['+590 690 12 34 56', '+590 0690 12 34 56', '+33 690 12 34 56']],
    ['Réunion', ['+262 692 12 34 56', '+33 692 12 34 56']],
  ])('counts the spellings of a changed or shared plan once: %s', (_, spellings) => {
    for (const planner of [builtIn, anywhere]) {
      expect(new Set(spellings.map((each) => keysOf(planner, each))).size).toBe(1);
    }
  });

  it.each([
    ['MX', ['55 1234 5678', '+52 1 55 1234 5678']],
    ['AR', ['011 15-2345-6789', '11 2345 6789', '+54 9 11 2345 6789', '+54 11 15 2345 6789']],
    ['BR', ['(11) 98765-4321', '011 98765-4321', '0 15 11 98765-4321', '+55 11 8765-4321']],
    ['FR', ['0690 12 34 56', '+590 690 12 34 56']],
    ['RU', ['8 912 345-67-89', '912 345-67-89', '+7 8 912 345 67 89']],
    ['HU', ['06 20 123 4567', '+36 06 20 123 4567', '20 123 4567']],
    ['US', ['4915123456789', '011 49 1512 3456789', '+49 151 23456789']],
  ] as const)('counts what is dialled within %s once', (country, spellings) => {
    const planner = plannerOf(phoneNormalizer({ defaultCountry: country }));
    expect(new Set(spellings.map((each) => keysOf(planner, each))).size).toBe(1);
  });

  it('normalizes a token to a number that can still be dialled', () => {
    expect(anywhere.normalize('+39 06 1234 5678')).toBe('+390612345678');
    expect(anywhere.normalize('+54 9 11 2345 6789')).toBe('+5491123456789');
    expect(builtIn.normalize('+590 690 12 34 56')).toBe('+590690123456');
  });

  it('leaves texts alone that are no numbers of E.164', () => {
    for (const token of ['4155550123', 'ann@example.com', '+1 415', 'chat-0012']) {
      expect(builtIn.countedNameOf(token)).toBe(builtIn.normalize(token));
    }
  });

  it('finds the spellings that a naive function counts twice', () => {
    const naive = plannerOf((token) => token.replace(/[^\d+]/g, '') || token);
    const twice = countries.filter((country) => {
      const keys = international(country).map((spelling) => keysOf(naive, spelling));
      return new Set(keys).size > 1;
    });
    expect(twice).toEqual(countries);
  });
});
