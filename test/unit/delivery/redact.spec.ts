import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { describeThrown, redact } from '../../../lib/delivery/redact.js';
import { naiveRedact } from '../../event-loop/naive-redact.js';

const CODE = '123456';
const TOKEN = '+49 (151) 234-5678';
const HYPHENS = '-'.repeat(40);

/** What is left of a text, without the characters between those of a number. */
function significantOf(redacted: string): string {
  return redacted.replaceAll('***', '').replaceAll(/[\s().\p{Pd}\p{Cc}\p{Cf}]/gu, '');
}

/** Whether all characters of one text are in the other, in their order. */
function isWithin(one: string, other: string): boolean {
  let found = 0;
  for (const character of other) if (one.startsWith(character, found)) found += character.length;
  return found === one.length;
}

describe('redact', () => {
  it.each([
    ['as it is', `no route to ${TOKEN}!`, TOKEN, 'no route to ***!'],
    ['in another case', 'no <ANN@Example.COM>', 'ann@example.com', 'no <***>'],
    ['grouped in another way', 'to +49151/2345678 or +49.151.2345678', TOKEN, /^to \S+ or \*\*\*$/],
    ['without its plus', 'to 491512345678.', TOKEN, 'to ***.'],
    ['without zeros in front', 'to 491512345678.', '00491512345678', 'to ***.'],
    ['in a URL', `?to=${encodeURIComponent('a b+ü@x.de')}&x`, 'a b+ü@x.de', '?to=***&x'],
    ['in JSON', JSON.stringify({ to: '"a\\b"@x.de' }), '"a\\b"@x.de', '{"to":"***"}'],
    ['in another Unicode form', 'to Zoe\u0308@x.de', 'zoë@x.de', 'to ***'],
    ['with a sigma that ends a word', 'to ΟΔΟΣ and οδος', 'οδοσ', 'to *** and ***'],
    ['with characters between that are not seen', 'to 123\u200b4\u00005\u00ad6', CODE, 'to ***'],
    ['twice, one into the other', 'aabaabaab', 'aabaab', '***'],
    ['of grouping characters alone', `<${HYPHENS}>: -`, HYPHENS, '<***>: -'],
    ['of one hyphen', 'a-b', '-', 'a***b'],
    ['that is empty', 'a-b', '', 'a-b'],
  ])('replaces a token %s', (_, text, token, struck) => {
    if (typeof struck === 'string') expect(redact(text, CODE, token)).toBe(struck);
    else expect(redact(text, CODE, token)).toMatch(struck);
  });

  it('replaces the code and the phone number when one is a part of the other', () => {
    expect(redact('to 123456789: 123456', CODE, '123456789')).toBe('to ***: ***');
  });

  it('leaves nothing that the naive twin replaces, whatever is in code, token and text', () => {
    const part = fc.oneof(
      fc.constantFrom('-', ' ', '.', '(', '1', '12', '00', 'a', 'A', 'ss', 'ß', '@', '%', '"', 'é'),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    );
    const some = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        some,
        some,
        fc.array(fc.oneof(part, fc.constantFrom(0, 1)), { maxLength: 8 }),
        (code, token, parts) => {
          const secrets = [code, token].map((secret) => secret.trim()).filter(Boolean);
          const text = parts
            .map((piece) => (typeof piece === 'number' ? (secrets[piece] ?? '') : piece))
            .join('');
          const left = significantOf(redact(text, ...secrets));
          const more = significantOf(naiveRedact(text, ...secrets));
          expect([text, secrets, left, isWithin(left, more)]).toEqual([text, secrets, left, true]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('writes one line', () => {
    expect(redact('a\r\n[Nest] b\u2028c\u0000\u0001d', CODE)).toBe('a [Nest] b c d');
  });

  it('shortens a long text after it has replaced the code', () => {
    expect(redact(`${'x'.repeat(495)}${CODE}`, CODE)).toBe(`${'x'.repeat(495)}***`);
    expect(redact(`${'x'.repeat(499)}${CODE}`, CODE)).toBe(`${'x'.repeat(499)}*...`);
    expect(redact('x'.repeat(1_000_000), CODE)).toBe(`${'x'.repeat(500)}...`);
  });

  it('leaves no part of an address at the end of the characters that it reads', () => {
    const token = 'abcdefghij'.repeat(32);
    // Line breaks become one blank, so that the end of what is read stands in the result.
    for (let before = 4_600; before <= 5_100; before += 1) {
      const said = redact(`${'\n'.repeat(before)}${token}`, CODE, token);
      expect([before, said.replaceAll('***', '').trim()]).toEqual([
        before,
        before + token.length > 5_000 ? '...' : '',
      ]);
    }
  });

  it.each([
    ['a string', 'refused', 'refused'],
    ['an error', new Error('refused'), 'refused'],
    ['an error that has only a code', Object.assign(new Error(''), { code: 'ECONN' }), 'ECONN'],
    ['an object', { message: 'refused' }, 'a value of type object was thrown'],
    [
      'an error whose message throws',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('y');
        },
      }),
      'an error that cannot be read',
    ],
  ])('describes what was thrown when it is %s', (_, thrown, described) => {
    expect(describeThrown(thrown)).toBe(described);
  });
});
