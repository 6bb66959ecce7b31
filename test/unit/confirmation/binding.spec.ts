import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseBinding, parseSubject } from '../../../lib/confirmation/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

function parse(binding: Readonly<Record<string, unknown>>): unknown {
  return parseBinding(binding);
}

describe('a binding', () => {
  it('of nothing is stored as nothing', () => {
    const nothing = { purpose: '', subject: '', details: null };
    expect(parse({})).toEqual(nothing);
    expect(parse({ purpose: undefined, subject: undefined, details: undefined })).toEqual(nothing);
  });

  it('distinguishes details of null, which are a value, from no details', () => {
    expect(parse({ details: null })).toHaveProperty('details', 'null');
    expect(parse({ details: {} })).toHaveProperty('details', '{}');
  });

  it('keeps purpose and subject letter by letter', () => {
    const subject = 'Ünïcode user/1 @tenant:7';
    expect(parse({ purpose: 'change-phone', subject })).toEqual({
      purpose: 'change-phone',
      subject,
      details: null,
    });
  });

  it('stores details in one way, however their members are ordered', () => {
    const one = parse({ details: { payee: 'Ann', amount: '10.00' } });
    expect(one).toEqual(parse({ details: { amount: '10.00', payee: 'Ann' } }));
    expect(one).toHaveProperty('details', '{"amount":"10.00","payee":"Ann"}');
  });

  it.each([
    '',
    'LOGIN',
    'login ',
    ' login',
    'login\n',
    'lo gin',
    '-login',
    'lo_gin',
    'lógin',
    'login\u0000',
    'x'.repeat(65),
    'x'.repeat(1_000_000),
    0,
    true,
    null,
    ['login'],
    { toString: () => 'login' },
    Object('login'),
  ])('refuses the purpose %o', (purpose) => {
    expect(() => parse({ purpose })).toThrow(
      new TwoFactorInputError(
        'A purpose is a string of 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
      ),
    );
  });

  it.each(['a', '0', '0-', 'x'.repeat(64), 'a--b'])('takes the purpose %o', (purpose) => {
    expect(parse({ purpose })).toHaveProperty('purpose', purpose);
  });

  it.each([
    '',
    'x'.repeat(256),
    'x'.repeat(1_000_000),
    'a\nb',
    'a\u0000',
    'a\tb',
    'a\u007f',
    '\ud800',
    0,
    1,
    true,
    null,
    ['user-1'],
    { id: 1 },
    { toString: () => 'user-1' },
    Object('user-1'),
  ])('refuses the subject %o', (subject) => {
    const refusal = new TwoFactorInputError(
      'A subject is a string of 1 to 255 characters without control characters.',
    );
    expect(() => parse({ subject })).toThrow(refusal);
    expect(() => parseSubject(subject)).toThrow(refusal);
  });

  it('refuses a subject of undefined where one is needed', () => {
    expect(() => parseSubject(undefined)).toThrow(TwoFactorInputError);
  });

  it('takes subjects of 1 and of 255 characters', () => {
    expect(parseSubject('7')).toBe('7');
    expect(parseSubject('é'.repeat(255))).toBe('é'.repeat(255));
  });

  it('refuses details beyond 4 kB, and such as are not plain JSON', () => {
    expect(parse({ details: 'x'.repeat(4_094) })).toHaveProperty('details.length', 4_096);
    for (const details of ['x'.repeat(4_095), new Date(), 1n, Number.NaN, () => 1]) {
      expect(() => parse({ details })).toThrow(TwoFactorInputError);
    }
  });

  it('is accepted or refused with TwoFactorInputError, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (purpose, subject) => {
        const isAccepted = [purpose, subject].every(
          (value) => value === undefined || (typeof value === 'string' && value !== ''),
        );
        let refusal: unknown = null;
        try {
          parse({ purpose, subject });
        } catch (error) {
          refusal = error;
        }
        expect(refusal === null ? isAccepted : refusal instanceof TwoFactorInputError).toBe(true);
      }),
    );
  });
});
