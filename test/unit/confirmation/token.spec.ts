import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseToken, parseWay } from '../../../lib/confirmation/index.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

const REFUSAL =
  /^A token is a text of 1 to 320 characters, without control characters, invisible marks/;

describe('a token', () => {
  it.each([
    'ann@example.com',
    '+1 (415) 555-0123',
    '4711',
    'chat:Ünïcode/1',
    "o'neil+tag@example.com",
    'Ann Example',
    '@handle',
    'x',
    'x'.repeat(320),
    '用户@例子.广告',
    '😀',
  ])('may be %j, and stays as it is', (token) => {
    expect(parseToken(token)).toBe(token);
  });

  it.each<[string, unknown]>([
    ['a number', 14_155_550_123],
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['a list of one', ['ann@example.com']],
    ['a list of two', ['ann@example.com', 'eve@evil.example']],
    ['an object', { address: 'ann@example.com' }],
    ['an object that turns into one', { toString: () => 'ann@example.com', length: 15 }],
    ['a boxed string', Object('ann@example.com')],
    ['empty', ''],
    ['blank', ' '],
    ['321 characters', 'x'.repeat(321)],
    ['10 MB', 'x'.repeat(10_000_000)],
    ['led by a blank', ' ann@example.com'],
    ['followed by a blank', 'ann@example.com '],
    ['followed by a no-break space', 'ann@example.com\u00a0'],
    ['a header', 'ann@example.com\r\nBcc: eve@evil.example'],
    ['followed by a line break', 'ann@example.com\n'],
    ['split by a line break', 'ann@\nexample.com'],
    ['split by a NUL', 'ann@example.com\u0000.evil.example'],
    ['split by a tab', 'ann\t@example.com'],
    ['split by a DEL', 'ann\u007f@example.com'],
    ['split by a C1 control', 'ann\u0085@example.com'],
    ['split by a line separator', 'ann\u2028@example.com'],
    ['with a zero-width space', 'ann\u200b@example.com'],
    ['with a zero-width joiner', 'ann\u200d@example.com'],
    ['with a word joiner', 'ann\u2060@example.com'],
    ['turned around', 'ann\u202e@example.com'],
    ['isolated', '\u2066ann@example.com\u2069'],
    ['led by a byte order mark', '\ufeffann@example.com'],
    ['half a surrogate pair', 'ann\ud83d@example.com'],
  ])('is refused when it is %s', (_, token) => {
    expect(() => parseToken(token)).toThrow(REFUSAL);
  });

  it('is given back unchanged, as a clean number, or refused by the one error, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary' })), (token) => {
        let answer: unknown;
        try {
          answer = parseToken(token);
        } catch (error) {
          answer = error;
        }
        if (answer instanceof TwoFactorInputError || answer === token) return;
        expect(answer).toMatch(/^[+\d ().[\]/~-]{4,64}$/);
        expect(parseToken(answer)).toBe(answer);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a way', () => {
  it.each(['sms', 'e-mail', '0', 'x'.repeat(64)])('may be %j', (way) => {
    expect(parseWay(way)).toBe(way);
  });

  it.each(['', 'SMS', '-sms', 'sms ', 's\n', 'x'.repeat(65), 5, null, undefined, ['sms'], {}])(
    'is refused when it is %j',
    (way) => {
      expect(() => parseWay(way)).toThrow(
        new TwoFactorInputError(
          'A way is a sender\'s name: 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
        ),
      );
    },
  );
});
