import { beforeAll, describe, expect, it } from 'vitest';

import {
  phoneDestinations,
  type PhoneDestinationsOptions,
} from '../../../lib/adapters/phone/index.js';
import { TwoFactorConfigurationError, type DestinationRules } from '../../../lib/index.js';

const prepared = async (options: PhoneDestinationsOptions): Promise<DestinationRules> => {
  const rules = phoneDestinations(options);
  await rules.prepare?.();
  return rules;
};

describe('phoneDestinations', () => {
  let rules: DestinationRules;
  let everywhere: DestinationRules;

  beforeAll(async () => {
    rules = await prepared({ countries: ['UA', 'GB'] });
    everywhere = await prepared({ countries: 'all' });
  });

  it.each([
    ['+380501234567', { country: 'UA', callingCode: '380', nationalNumber: '501234567' }],
    ['+380 (50) 123-45-67', { country: 'UA', callingCode: '380', nationalNumber: '501234567' }],
    ['+44 7400 123456', { country: 'GB', callingCode: '44', nationalNumber: '7400123456' }],
  ])('allows %s', (token, destination) => {
    expect(rules.destinationOf(token)).toEqual(destination);
  });

  it.each([
    ['+48600123456', 'its country is PL'],
    // Guernsey shares the calling code of Great Britain, and costs many times as much.
    ['+447911123456', 'its country is GG'],
    ['+449098790000', 'its type is PREMIUM_RATE'],
    ['+33810123456', 'its type is SHARED_COST'],
    ['+447012345678', 'its type is PERSONAL_NUMBER'],
    ['+447640123456', 'its type is PAGER'],
    ['+445512345678', 'its type is UAN'],
    ['+979123456789', 'it belongs to no country'],
    ['+882161234567', 'it belongs to no country'],
    ['+380110123456', 'no operator has it'],
  ])('refuses %s, because %s', (token, refusal) => {
    expect(rules.destinationOf(token)).toEqual({ refusal });
  });

  it.each(['+979123456789', '+882161234567', '+449098790000', '+380110123456'])(
    'refuses %s also where every country is allowed',
    (token) => {
      expect(everywhere.destinationOf(token)).toHaveProperty('refusal');
    },
  );

  // What a provider might read as another number than the one that was checked.
  it.each([
    '0501234567',
    '380501234567',
    '00380501234567',
    '+44 (0) 7400 123456',
    '+380501234567 ext. 5',
    '+380501234567,,5',
    '+380501234567;ext=5',
    'tel:+380501234567',
    '+380501234567/979123456789',
    '+380501234567+979123456789',
    '+٣٨٠٥٠١٢٣٤٥٦٧',
    '++380501234567',
    '+',
    'ann@example.com',
    `+${'380501234567'.repeat(20)}`,
  ])('refuses %s, which is no number with + and its country code', (token) => {
    expect(everywhere.destinationOf(token)).toEqual({
      refusal: 'it is no phone number with + and its country code',
    });
  });

  it('refuses further types that the options name', async () => {
    const mobile = await prepared({ countries: ['UA'], denyTypes: ['FIXED_LINE', 'VOIP'] });

    expect(rules.destinationOf('+380441234567')).toMatchObject({ country: 'UA' });
    expect(mobile.destinationOf('+380441234567')).toEqual({ refusal: 'its type is FIXED_LINE' });
    expect(mobile.destinationOf('+380501234567')).toMatchObject({ country: 'UA' });
  });

  it('sends to possible numbers that no operator has only when that is asked for', async () => {
    const loose = await prepared({ countries: 'all', allowUnassigned: true });

    expect(loose.destinationOf('+380110123456')).toMatchObject({ callingCode: '380' });
    expect(loose.destinationOf('+3801')).toHaveProperty('refusal');
  });

  it.each([
    [undefined, /is undefined/],
    [{}, /names no country/],
    [{ countries: [] }, /names no country/],
    [{ countries: 'UA' }, /names no country/],
    [{ countries: ['ua'] }, /knows no country "ua"/],
    [{ countries: ['XX'] }, /knows no country "XX"/],
    [{ countries: ['UA'], denyTypes: ['PREMIUM'] }, /denyTypes/],
    [{ countries: ['UA'], allowUnassigned: 'yes' }, /allowUnassigned/],
    [{ countries: ['UA'], country: 'UA' }, /no option of phoneDestinations: country/],
  ])('refuses the options %j', (options, message) => {
    const create = (): unknown => phoneDestinations(options as unknown as PhoneDestinationsOptions);

    expect(create).toThrow(TwoFactorConfigurationError);
    expect(create).toThrow(message);
  });

  it('throws a TwoFactorConfigurationError for each token before it is prepared', () => {
    const create = phoneDestinations({ countries: 'all' });

    expect(() => create.destinationOf('+380501234567')).toThrow(TwoFactorConfigurationError);
  });
});
