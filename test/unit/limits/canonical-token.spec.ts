import { describe, expect, it } from 'vitest';

import { canonicalToken } from '../../../lib/limits/canonical-token.js';

describe('A canonical token', () => {
  it.each([
    ['ann@example.com', 'Ann@Example.COM'],
    ['ann@example.com', 'ann@example.com.'],
    ['ann@xn--bcher-kva.example', 'ann@bücher.example'],
    ['ann@xn--bcher-kva.example', 'ANN@BÜCHER.example..'],
    ['ann@example.com', 'ann＠example.com'],
    ['"a@b"@example.com', '"A@B"@example.com'],
    ['ann@example.com', '"Ann"@example.com'],
    ['ann@example.com/x', 'ann@example.com/x'],
    ['ann@example.com?x', 'ann@example.com?x'],
    ['ann@example.com#x', 'ann@example.com#X'],
  ])('of a mailbox is %s for %s', (canonical, spelling) => {
    expect(canonicalToken(spelling)).toBe(canonical);
  });

  it.each(['ann+news@example.com', 'a.nn@example.com', 'ann@mail.example.com'])(
    'keeps %s apart from ann@example.com',
    (other) => {
      expect(canonicalToken(other)).toBe(other);
    },
  );

  it.each([
    '+14155550123',
    '+1 (415) 555-0123',
    '0014155550123',
    '00 1 415.555.0123',
    '+1415555０123',
    '+1/415/5550123',
    '+14155550123;ext=5',
    '+1 415 555 0123 ext. 42',
    '+14155550123x7',
    '+14155550123 x 7',
    '+1 415 555 0123 extension 42',
    '+1 415 555 0123 extn. 42',
    '+1 415 555 0123,5',
    '+14155550123,,42',
    '+1 415 555 0123; 5',
    'tel:+1-415-555-0123;ext=5;phone-context=example.com',
    'TEL:+14155550123;phone-context=+1',
    '\uff0b1\u00a0415\u00a0555\u00a00123',
    '+1\u2013415\u2014555\uff0d0123',
    '+1\u202f415\u3000555 0123',
    '+1\u2212415\u30fc555\u223c0123',
    '+1 [415] 555~0123',
    '+14155550123#7',
    'tel:+1-415-555-0123',
    '+1 (0)415 555 0123',
    '+1\u2011415\u2010555\u00ad0123',
  ])('of the number %s is E.164', (spelling) => {
    expect(canonicalToken(spelling)).toBe('+14155550123');
  });

  it.each(['+0123456789', '+1', '+12345678901234567', 'chat:4711', '@ann', 'a@'])(
    'is %s itself where that is neither a phone number nor a mail address',
    (token) => {
      expect(canonicalToken(token)).toBe(token);
    },
  );

  it('of national digits is the digits', () => {
    expect(['(415) 555-0123', '415.555.0123'].map(canonicalToken)).toEqual([
      '4155550123',
      '4155550123',
    ]);
  });

  it('is the same when it is made again', () => {
    for (const token of ['Ann@BÜCHER.example.', '00 1 415 555 0123', 'ⓒhat:4711']) {
      const once = canonicalToken(token);
      expect(canonicalToken(once)).toBe(once);
    }
  });
});
