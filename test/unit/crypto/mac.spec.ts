import { createHmac, hkdfSync } from 'node:crypto';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  codeMac,
  codeMacs,
  detailsMac,
  detailsMacs,
  KeyRing,
  newId,
} from '../../../lib/crypto/index.js';
import { lengthPrefixed } from '../../../lib/crypto/length-prefixed.js';

const SECRET = 'kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0AeUiOyKt4Q';
const ID = '01234567890123456789012345678901234g';
const ring = KeyRing.fromSecrets([Buffer.from(SECRET)]);
const key = ring.current;

/** HMAC over 4-byte big-endian lengths and texts, written without the library's help. */
function independentMac(secret: string, ...texts: string[]): string {
  const macKey = hkdfSync('sha256', Buffer.from(secret), '', 'nestjs-two-factor/v1/mac', 32);
  const kid = Buffer.from(
    hkdfSync('sha256', Buffer.from(secret), '', 'nestjs-two-factor/v1/kid', 6),
  ).toString('base64url');
  const hmac = createHmac('sha256', Buffer.from(macKey));
  for (const text of texts) {
    const { length } = Buffer.from(text);
    hmac.update(Buffer.from([length >>> 24, length >>> 16, length >>> 8, length]));
    hmac.update(text);
  }
  return `v1.${kid}.${hmac.digest('base64url')}`;
}

describe('the MAC of a code', () => {
  it('is what it was in every earlier release', () => {
    // Stored rows hold these (drawn with Python's hmac): a change here ends all pending confirmations.
    expect(key.kid).toBe('jafIhYAq');
    expect(codeMac(key, ID, '04231786')).toBe(
      'v1.jafIhYAq.keusbcCIh899o64tCDsRlq07V1qc-H2tGcrVE3lI-VU',
    );
    expect(detailsMac(key, ID, '{"amount":"10.00"}')).toBe(
      'v1.jafIhYAq.Ot-O0_bk_6kqLjcfn-EX4boBveDaw0naY5f5BmDCcIo',
    );
  });

  it('is HMAC-SHA-256 under the HKDF key over label, id and code', () => {
    expect(codeMac(key, ID, '04231786')).toBe(independentMac(SECRET, 'code', ID, '04231786'));
    expect(detailsMac(key, ID, '{"a":1}')).toBe(independentMac(SECRET, 'details', ID, '{"a":1}'));
  });

  it('fits its column, and shows neither code nor id', () => {
    const mac = codeMac(key, ID, '04231786');
    expect(mac).toMatch(/^v1\.[\w-]{8}\.[\w-]{43}$/);
    expect(mac.length).toBeLessThanOrEqual(64);
    expect(mac).not.toContain('04231786');
    expect(mac).not.toContain(ID);
  });

  it('differs for equal codes of two confirmations', () => {
    const macs = Array.from({ length: 1_000 }, () => codeMac(key, newId(Date.now()), '123456'));
    expect(new Set(macs).size).toBe(1_000);
  });

  it('differs for every code of one confirmation', () => {
    const macs = Array.from({ length: 10_000 }, (_, code) =>
      codeMac(key, ID, String(code).padStart(6, '0')),
    );
    expect(new Set(macs).size).toBe(10_000);
  });

  it('differs under every key, with one candidate for each', () => {
    const two = KeyRing.fromSecrets([Buffer.from(`${SECRET}2`), Buffer.from(SECRET)]);
    const candidates = codeMacs(two, ID, '123456');
    expect(candidates).toHaveLength(2);
    expect(new Set(candidates).size).toBe(2);
    expect(candidates[1]).toBe(codeMac(key, ID, '123456'));
    const details = detailsMacs(two, ID, '{}');
    expect(details).toHaveLength(2);
    expect(details[1]).toBe(detailsMac(key, ID, '{}'));
  });

  it('of a code is never that of details', () => {
    expect(codeMac(key, ID, '123456')).not.toBe(detailsMac(key, ID, '123456'));
  });

  it('distinguishes the id and the code by their lengths', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 2 }), fc.nat(), (text, at) => {
        const cut = 1 + (at % (text.length - 1));
        expect(codeMac(key, text.slice(0, cut), text.slice(cut))).not.toBe(codeMac(key, text, ''));
      }),
    );
    expect(codeMac(key, 'ab', 'c')).not.toBe(codeMac(key, 'a', 'bc'));
  });
});

describe('length-prefixed texts', () => {
  it('are the same bytes only for the same list', () => {
    const list = fc.array(fc.string({ unit: 'grapheme', maxLength: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(list, list, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(lengthPrefixed(...one).equals(lengthPrefixed(...other))).toBe(same);
      }),
    );
  });

  it('count bytes, not characters, and distinguish an empty text from an absent one', () => {
    expect(lengthPrefixed('é').toString('hex')).toBe('00000002c3a9');
    expect(lengthPrefixed('').toString('hex')).toBe('00000000');
    expect(lengthPrefixed()).toHaveLength(0);
  });
});
