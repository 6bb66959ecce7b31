import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { digits, letters, normaliseCode, parseCode } from '../../../lib/crypto/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

const BASE_20 = 'BCDFGHJKLMNPQRSTVWXZ';

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
    ['a line break after it', '123456\n'],
    ['a line break in it', '123\n456'],
    ['a carriage return', '123456\r'],
    ['a tab', '123\t456'],
    ['a NUL', '123456\u0000'],
    ['a DEL', '123456\u007f'],
    ['a zero-width space', '\u200b123456'],
    ['a byte order mark', '\ufeff123456'],
    ['a direction override', '123456\u202e'],
    ['a soft hyphen', '123\u00ad456'],
    ['a narrow no-break space', '123\u202f456'],
    ['an en dash', '123\u2013456'],
    ['a minus sign', '123\u2212456'],
    ['full-width digits', '１２３４５６'],
    ['Arabic-Indic digits', '١٢٣٤٥٦'],
    ['Devanagari digits', '१२३४५६'],
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
    expect(Math.min(...tookMs)).toBeLessThan(5);
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

  it('never makes it throw, nor be echoed', () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        const code = normaliseCode(input);
        expect(code === null || typeof input === 'string').toBe(true);
      }),
    );
    expect(() => parseCode('hunter2\n')).toThrow(/^(?!.*hunter2)/);
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

  it('do not include the limits', async () => {
    expect(await generator(6)()).toHaveLength(6);
    expect(await generator(64)()).toHaveLength(64);
  });
});
