import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { digits, letters, normaliseCode, parseCode } from '../../../lib/crypto/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

const BASE_20 = 'BCDFGHJKLMNPQRSTVWXZ';
/** Zero in ASCII, full-width, Arabic-Indic, Persian and Devanagari. */
const DIGIT_ZEROS = [0x30, 0xff10, 0x0660, 0x06f0, 0x0966] as const;
const mark = fc.constantFrom('', ' ', '\n', '\u2013', '\u200b', '\u2067');

/** Codes as a person types them: printable ASCII with decoration anywhere. */
const typed = fc.string({
  unit: fc.constantFrom(...Array.from('0123456789ABCxyz!~ \u00a0-')),
  maxLength: 140,
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('what a person typed', () => {
  it.each([
    ['123456', '123456'],
    [' 123 456 ', '123456'],
    ['123-456', '123456'],
    ['123\u00a0456', '123456'],
    ['-1 2-3\u00a04-5 6-', '123456'],
    ['1 2 3 4 5 6', '123456'],
    ['000000', '000000'],
    ['BCDF-GHJK', 'BCDFGHJK'],
    ['123456\n', '123456'],
    ['\t123\r\n456', '123456'],
    ['123\u202f456\u2009', '123456'],
    ['123\u3000456\u2003', '123456'],
    ['\ufeff123\u200b45\u200d6\u2060', '123456'],
    ['123\u2013456\u2014', '123456'],
    ['1\u20102\u20113\u20124\u22125\uff0d6', '123456'],
    ['123\u00ad456', '123456'],
    ['\u200f123456\u200e\u061c', '123456'],
    ['\u202b123456\u202c', '123456'],
    ['\u2067123\u2069\u202e456', '123456'],
    ['１２３４５６', '123456'],
    ['٠١٢٣٤٥٦٧٨٩', '0123456789'],
    ['۰۱۲۳۴۵۶۷۸۹', '0123456789'],
    ['०१२३४५६७८९', '0123456789'],
    ['１٢۳४56', '123456'],
    ['BCDF１２', 'BCDF12'],
    ['bcdfghjk', 'bcdfghjk'],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['1-'.repeat(64), '1'.repeat(64)],
    ['!"#$%&\'()*+,./:;<=>?@[\\]^_`{|}~', '!"#$%&\'()*+,./:;<=>?@[\\]^_`{|}~'],
  ])('%j means %j', (input, code) => {
    expect(normaliseCode(input)).toBe(code);
    expect(parseCode(input)).toBe(code);
  });

  it.each<[string, unknown]>([
    ['a number', 123_456],
    ['a bigint', 123_456n],
    ['an array of one code', ['123456']],
    ['an array of many codes', ['000000', '000001', '000002']],
    ['an array of characters', Array.from('123456')],
    ['a comparison operator', { $ne: null }],
    ['a pattern', { $regex: '.*' }],
    ['an object that turns into a code', { toString: () => '123456' }],
    ['an object with a length', { length: 6 }],
    ['a boxed string', Object('123456')],
    ['null', null],
    ['undefined', undefined],
    ['true', true],
    ['a symbol', Symbol('123456')],
    ['nothing', ''],
    ['blanks', '      '],
    ['decoration alone', '- - - - - -'],
    ['5 characters', '12345'],
    ['5 characters, decorated', ' 12-345 '],
    ['65 characters', '1'.repeat(65)],
    ['129 characters that mean 6', `123456${' '.repeat(123)}`],
    ['a NUL', '123456\u0000'],
    ['a DEL', '123456\u007f'],
    ['an escape', '123456\u001b'],
    ['a vertical tab', '123\u000b456'],
    ['a next line', '123456\u0085'],
    ['a combining mark', '123456\u0301'],
    ['a variation selector', '1\ufe0f23456'],
    ['a Hangul filler', '123456\u3164'],
    ['full-width letters', 'ＢＣＤＦＧＨ'],
    ['Bengali digits', '১২৩৪৫৬'],
    ['superscript digits', '¹²³⁴⁵⁶'],
    ['digits in circles', '①②③④⑤⑥'],
    ['mathematical digits', '𝟏𝟐𝟑𝟒𝟓𝟔'],
    ['Cyrillic letters that look Latin', 'ВСНКМТ'],
    ['half a surrogate pair', '12345\ud800'],
  ])('is refused when it is %s', (_, input) => {
    expect(normaliseCode(input)).toBeNull();
    expect(() => parseCode(input)).toThrow(TwoFactorInputError);
  });

  it('is refused unread when it is huge', () => {
    const replace = vi.spyOn(String.prototype, 'replace');
    const test = vi.spyOn(RegExp.prototype, 'test');
    const huge = '1'.repeat(10_000_000);
    const tookMs = Array.from({ length: 5 }, () => {
      const startedAt = performance.now();
      expect(normaliseCode(huge)).toBeNull();
      return performance.now() - startedAt;
    });
    // The best of a few, since the machine may be busy with something else.
    expect(Math.min(...tookMs)).toBeLessThan(100);
    expect(replace).not.toHaveBeenCalled();
    expect(test).not.toHaveBeenCalled();
  });

  it('is read the same way again: normalising is idempotent', () => {
    fc.assert(
      fc.property(typed, (input) => {
        const code = normaliseCode(input);
        if (code === null) return;
        expect(normaliseCode(code)).toBe(code);
        expect(code).toMatch(/^[\x21-\x7e]{6,64}$/);
        expect(code).not.toContain('-');
      }),
      { numRuns: 500 },
    );
  });

  it('means the code without its decoration whenever it means anything', () => {
    fc.assert(
      fc.property(typed, (input) => {
        const stripped = Array.from(input)
          .filter((character) => !' \u00a0-'.includes(character))
          .join('');
        const isCode = input.length <= 128 && stripped.length >= 6 && stripped.length <= 64;
        expect(normaliseCode(input)).toBe(isCode ? stripped : null);
      }),
      { numRuns: 500 },
    );
  });

  it('never makes one code of two: a code means itself, and each guess is one code', () => {
    const code = fc
      .string({
        unit: fc.integer({ min: 0x21, max: 0x7e }).map((point) => String.fromCharCode(point)),
        minLength: 6,
        maxLength: 64,
      })
      .filter((text) => !text.includes('-'));
    fc.assert(
      fc.property(code, code, (one, other) => {
        expect([normaliseCode(one), normaliseCode(other)]).toEqual([one, other]);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(
        code,
        fc.infiniteStream(fc.constantFrom(...DIGIT_ZEROS)),
        mark,
        (one, zeros, at) => {
          const scripts = Array.from(one, (character) => {
            const zero = zeros.next().value;
            return /\d/.test(character) ? String.fromCharCode(zero + Number(character)) : character;
          });
          expect(normaliseCode(scripts.join(at))).toBe(scripts.join(at).length > 128 ? null : one);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('reads each character of Unicode alone: as nothing, as itself or as one digit, else it refuses it', () => {
    const read = { ignored: 0, itself: 0, digit: 0 };
    for (let point = 0; point <= 0x10_ffff; point += 1) {
      const character = String.fromCodePoint(point);
      const code = normaliseCode(`BCDFGH${character}`);
      if (code === null) continue;
      if (code === 'BCDFGH') read.ignored += 1;
      else if (code === `BCDFGH${character}`) read.itself += 1;
      else {
        expect(code).toMatch(/^BCDFGH\d$/);
        expect(character).toMatch(/^\p{Nd}$/u);
        // Each zero stands at a multiple of 16, Devanagari's 6 behind one.
        expect(Number(code.at(-1))).toBe(
          (point - 6 * Number(point >= 0x0966 && point <= 0x096f)) % 16,
        );
        read.digit += 1;
      }
    }
    expect(read).toEqual({ ignored: read.ignored, itself: 0x7e - 0x21, digit: 40 });
    expect(read.ignored).toBeGreaterThan(50);
    expect(read.ignored).toBeLessThan(90);
  });

  it('names the allowed values when it refuses', () => {
    expect(() => parseCode('12345é')).toThrow(
      'A code is a string of 6 to 64 letters, digits or other printable ASCII characters. Spaces, line breaks, dashes and ' +
        'invisible marks do not count; digits may be Arabic-Indic, Persian, Devanagari or full-width.',
    );
  });

  it('makes normaliseCode never throw, and is not repeated in an error', () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        const code = normaliseCode(input);
        expect(code === null || typeof input === 'string').toBe(true);
      }),
    );
    expect(() => parseCode('hunter2\u0000')).toThrow(/^(?!.*hunter2)/);
  });
});

/** The statistic of Pearson's test against the uniform distribution. */
function chiSquare(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const expected = total / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** How often each value of an alphabet stands at each position. */
async function histogram(
  draw: () => string | Promise<string>,
  draws: number,
  alphabet: string,
): Promise<number[][]> {
  const first = await draw();
  const counts = Array.from(first, () => Array.from(alphabet, () => 0));
  for (let count = 0; count < draws; count += 1) {
    const code = draw() as string;
    for (let position = 0; position < code.length; position += 1) {
      const value = alphabet.indexOf(code.charAt(position));
      counts[position]![value]! += 1;
    }
  }
  return counts;
}

describe('drawn digits', () => {
  it('are uniform at each of 6 positions over 10^6 codes', async () => {
    const counts = await histogram(digits(6), 1_000_000, '0123456789');
    expect(counts).toHaveLength(6);
    for (const position of counts) {
      expect(position.reduce((sum, count) => sum + count, 0)).toBe(1_000_000);
      // 9 degrees of freedom: 48.5 is passed by chance once in about 5 million positions.
      expect(chiSquare(position)).toBeLessThan(48.5);
      expect(Math.min(...position)).toBeGreaterThan(0);
    }
  }, 60_000);

  it('do not depend on their neighbours', async () => {
    const draw = digits(6) as () => string;
    const pairs = Array.from({ length: 100 }, () => 0);
    for (let count = 0; count < 100_000; count += 1) pairs[Number(draw().slice(2, 4))]! += 1;
    // 99 degrees of freedom: mean 99, standard deviation 14.1.
    expect(chiSquare(pairs)).toBeLessThan(99 + 6.5 * 14.1);
  });

  it.each([6, 8, 16, 64])('keep their leading zeros and are always %i long', async (length) => {
    const draw = digits(length);
    const codes = await Promise.all(Array.from({ length: 300 }, async () => draw()));
    for (const code of codes) expect(code).toMatch(new RegExp(`^\\d{${length}}$`));
    expect(codes.some((code) => code.startsWith('0'))).toBe(true);
    expect(codes.some((code) => !code.startsWith('0'))).toBe(true);
  });

  it('are 6 unless said otherwise', async () => {
    expect(await digits()()).toMatch(/^\d{6}$/);
  });

  it('owe nothing to Math.random', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0);
    const draw = digits(8);
    const codes = await Promise.all(Array.from({ length: 1_000 }, async () => draw()));
    expect(random).not.toHaveBeenCalled();
    expect(new Set(codes).size).toBeGreaterThan(990);
  });
});

describe('drawn letters', () => {
  it('are uniform over 20 consonants at each of 8 positions', async () => {
    const counts = await histogram(letters(8), 100_000, BASE_20);
    expect(counts).toHaveLength(8);
    for (const position of counts) {
      expect(position.reduce((sum, count) => sum + count, 0)).toBe(100_000);
      // 19 degrees of freedom: 68 is passed by chance once in about 5 million positions.
      expect(chiSquare(position)).toBeLessThan(68);
    }
  });

  it('are 8 unless said otherwise, and survive normalising', async () => {
    const code = await letters()();
    expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/);
    expect(normaliseCode(code)).toBe(code);
  });

  it('owe nothing to Math.random', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0);
    const draw = letters(8);
    const codes = await Promise.all(Array.from({ length: 1_000 }, async () => draw()));
    expect(random).not.toHaveBeenCalled();
    expect(new Set(codes).size).toBeGreaterThan(990);
  });
});

describe.each([
  ['digits', digits],
  ['letters', letters],
])('%s of a bad length', (_, generator) => {
  it.each([0, 1, 5, 65, -6, 6.5, Number.NaN, Infinity, '6', null, [6], 6n])(
    'are refused at once: %s',
    (length) => {
      expect(() => generator(length as number)).toThrow(
        new RangeError(`A code has 6 to 64 characters, not ${String(length)}.`),
      );
    },
  );

  it('do not include the smallest and the largest allowed length', async () => {
    expect(await generator(6)()).toHaveLength(6);
    expect(await generator(64)()).toHaveLength(64);
  });
});
