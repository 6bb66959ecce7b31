import { describe, expect, it } from 'vitest';

import { kindOf } from '../../../lib/confirmation/index.js';
import { canonicalToken } from '../../../lib/limits/index.js';

describe('the kind of a token', () => {
  it.each([
    ['Ann@Example.com', 'email'],
    ['ann@b\u00fccher.example', 'email'],
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
