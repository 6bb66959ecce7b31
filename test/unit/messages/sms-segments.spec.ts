// The alphabet is that of 3GPP TS 23.038 6.2.1, written here by code point in the order of the septets.
import { describe, expect, it } from 'vitest';

import { smsSegments } from '../../../lib/messages/index.js';

/** One row for every 16 septets. 0x1b is the escape to the extension, and no character. */
const TABLE: readonly (readonly (number | null)[])[] = [
  [0x40, 0xa3, 0x24, 0xa5, 0xe8, 0xe9, 0xf9, 0xec, 0xf2, 0xc7, 0x0a, 0xd8, 0xf8, 0x0d, 0xc5, 0xe5],
  [
    0x394,
    0x5f,
    0x3a6,
    0x393,
    0x39b,
    0x3a9,
    0x3a0,
    0x3a8,
    0x3a3,
    0x398,
    0x39e,
    null,
    0xc6,
    0xe6,
    0xdf,
    0xc9,
  ],
  [0x20, 0x21, 0x22, 0x23, 0xa4, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f],
  [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f],
  [0xa1, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f],
  [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xc4, 0xd6, 0xd1, 0xdc, 0xa7],
  [0xbf, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
  [0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xe4, 0xf6, 0xf1, 0xfc, 0xe0],
];
/** The extension: form feed, circumflex, braces, backslash, brackets, tilde, bar, euro. */
const EXTENSION = [0x0c, 0x5e, 0x7b, 0x7d, 0x5c, 0x5b, 0x7e, 0x5d, 0x7c, 0x20ac];

const basic = TABLE.flat().flatMap((point) => (point === null ? [] : [point]));

describe('smsSegments', () => {
  it('takes the characters of the two GSM tables for GSM-7, and all others of the plane for UCS-2', () => {
    expect(basic).toHaveLength(127);
    const gsm = new Set([...basic, ...EXTENSION]);
    const wrong: number[] = [];
    for (let point = 0; point <= 0xffff; point += 1) {
      const { alphabet } = smsSegments(String.fromCharCode(point));
      if ((alphabet === 'GSM-7') !== gsm.has(point)) wrong.push(point);
    }
    expect(wrong).toEqual([]);
  });

  it('counts a character of the extension as two septets', () => {
    for (const point of basic) {
      expect(smsSegments(String.fromCharCode(point).repeat(160)).segments).toBe(1);
      expect(smsSegments(String.fromCharCode(point).repeat(161)).segments).toBe(2);
    }
    for (const point of EXTENSION) {
      expect(smsSegments(String.fromCharCode(point).repeat(80)).segments).toBe(1);
      expect(smsSegments(String.fromCharCode(point).repeat(81)).segments).toBe(2);
    }
  });

  it.each([
    ['', 'GSM-7', 1],
    ['a'.repeat(160), 'GSM-7', 1],
    ['a'.repeat(306), 'GSM-7', 2],
    ['a'.repeat(307), 'GSM-7', 3],
    ['ї'.repeat(70), 'UCS-2', 1],
    ['ї'.repeat(71), 'UCS-2', 2],
    ['ї'.repeat(134), 'UCS-2', 2],
    ['ї'.repeat(135), 'UCS-2', 3],
    // One character decides for the whole message.
    [`${'a'.repeat(70)}ó`, 'UCS-2', 2],
    [`${'a'.repeat(70)}ò`, 'GSM-7', 1],
    // The escape and its septet stay in one segment: 152 and a euro leave one septet of the first segment unused.
    [`${'a'.repeat(152)}€${'a'.repeat(151)}`, 'GSM-7', 2],
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 'GSM-7', 3],
    // So do the two halves of a surrogate pair.
    ['😀'.repeat(35), 'UCS-2', 1],
    ['😀'.repeat(66), 'UCS-2', 2],
    ['😀'.repeat(67), 'UCS-2', 3],
  ])('counts %j', (text, alphabet, segments) => {
    expect(smsSegments(text)).toEqual({ alphabet, segments });
  });

  it('counts one segment more than the length alone gives when an escape leaves a unit unused', () => {
    const text = `${'a'.repeat(152)}€${'a'.repeat(152)}`;
    expect(Math.ceil((text.length + 1) / 153)).toBe(2);
    expect(smsSegments(text).segments).toBe(3);
  });
});
