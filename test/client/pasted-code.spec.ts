// What a person pastes is read in the browser as the server reads it. A code that only one of them accepts is a code that seems
// wrong.
import { array, assert, constantFrom, oneof, property } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { pastedCode, plainCode } from '../../lib/client/element/pasted-code.js';
import { normaliseCode } from '../../lib/crypto/index.js';

const MARKS = Array.from(
  ' \t\n\r-\u00a0\u1680\u2003\u2028\u202f\u3000\u00ad\u061c\u180e\u200b\u200f\u202a\u202e' +
    '\u2060\u2066\u2069\ufeff\u2010\u2011\u2013\u2014\u2212\ufe63\uff0d\u301c',
);
const CHARACTERS = Array.from('0123456789\u0660\u0669\u06f0\u06f9\u0966\u096f\uff10\uff19AZaz_.');

describe('A pasted code', () => {
  it('is what the server makes of the same text', () => {
    const character = oneof(
      { weight: 30, arbitrary: constantFrom(...MARKS) },
      { weight: 30, arbitrary: constantFrom(...CHARACTERS) },
      { weight: 1, arbitrary: constantFrom('\u09e6', 'é', '\u0000') },
    );
    let codes = 0;
    assert(
      property(array(character, { maxLength: 30 }), (characters) => {
        const text = characters.join('');
        const code = normaliseCode(text);
        if (code === null) return;
        codes += 1;
        expect(plainCode(text)).toBe(code);
        expect(normaliseCode(plainCode(text))).toBe(code);
      }),
      { numRuns: 2_000 },
    );
    expect(codes).toBeGreaterThan(50);
  });

  it.each([
    ['042317', 6, '042317'],
    [' 042 317\n', 6, '042317'],
    ['Your code is 042 317. It is valid for 10 minutes.', 6, '042317'],
    ['Your code is 042-317, from 12345', 6, '042317'],
    ['ACME: 042317 is your code.\n\n@acme.example #042317', 6, '042317'],
    ['رمزك هو ٠٤٢٣١٧', 6, '042317'],
    ['042317 or 713240', 6, null],
    ['There is none.', 6, null],
    ['0423171', 6, null],
    ['BCDF-GHJK', 8, 'BCDFGHJK'],
    ['042 317', undefined, '042317'],
    ['1'.repeat(2_000), 6, null],
  ])('of %j with %s characters is %j', (text, length, code) => {
    expect(pastedCode(text, length)).toBe(code);
  });
});
