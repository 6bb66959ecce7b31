import { describe, expect, it } from 'vitest';

import { kindOf } from '../../../lib/confirmation/index.js';
import { canonicalToken } from '../../../lib/limits/index.js';

describe('the kind of a token', () => {
  it.each([
    ['Ann@Example.com', 'email'],
    ['ann@b\u00fccher.example', 'email'],
    [
      '\u0939\u093f\u0928\u094d\u0926\u0940@\u092d\u093e\u0930\u0924.\u092d\u093e\u0930\u0924',
      'email',
    ],
    ['\u0e17\u0e35\u0e48@\u0e40\u0e27\u0e47\u0e1a.\u0e44\u0e17\u0e22', 'email'],
    ['zoe\u0301@exa\u0308mple.example', 'email'],
    ['\u0301nn@example.com', 'other'],
    ['ann@\u2460\u2461\u2466.\u24ea.\u24ea.\u2460', 'other'],
    ['"link https://evil.example" <ann@example.com>', 'other'],
    ['ann@example.com, eve@example.com', 'other'],
    ['ann@localhost', 'other'],
    ['+1 (415) 555-0123', 'phone'],
    ['0041 44 668 18 00', 'phone'],
    ['tel:+14155550123', 'phone'],
    ['(415) 555-0123', 'other'],
    ['123456789', 'other'],
    ['+0123456789', 'other'],
    ['+1', 'other'],
    ['@ann', 'other'],
    ['+14155550123\u2028x', 'other'],
  ])('of %s is %s when it is normalised', (token, kind) => {
    expect(kindOf(canonicalToken(token))).toBe(kind);
  });
});
