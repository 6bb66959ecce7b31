import { createCipheriv, randomBytes, randomUUID } from 'node:crypto';

import { dictionary } from '@zxcvbn-ts/language-common';
import { describe, expect, it } from 'vitest';

import { IS_LONG } from '../../rounds.js';
import { TwoFactorConfigurationError } from '../../../lib/errors/index.js';
import { PUBLISHED_TEXTS } from '../../../lib/options/known-text.js';
import { MIN_SECRET_BITS, secretBits } from '../../../lib/options/secret-strength.js';
import { resolveSecrets } from '../../../lib/options/secrets.js';

/** The nightly run takes all of them, and each submission a part. */
const RANDOM_SECRETS = IS_LONG ? 100_000 : 10_000;
const PASSWORD_STEP = IS_LONG ? 1 : 10;

const SEED = Buffer.alloc(32, 'seed');
/** Takes seconds on an idle machine. */
const LONG_MS = 600_000;

/** The same pseudo-random bytes in every run, so that a failure can be looked at. */
function streamOf(bytes: number): Buffer {
  return createCipheriv('aes-256-ctr', SEED, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function boots(secret: string | Uint8Array): boolean {
  try {
    resolveSecrets({ secret }, {}, false);
    return true;
  } catch (error) {
    if (error instanceof TwoFactorConfigurationError) return false;
    throw error;
  }
}

function fill(beginning: string, next: string, length = 32): string {
  return beginning + next.repeat(Math.ceil((length - beginning.length) / next.length));
}

const reversed = (text: string): string => Array.from(text).toReversed().join('');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('Random secrets of 32 bytes', () => {
  const bytes = streamOf(32 * RANDOM_SECRETS);
  const secrets = Array.from({ length: RANDOM_SECRETS }, (_, at) =>
    bytes.subarray(32 * at, 32 * at + 32),
  );

  it.each(['hex', 'base64', 'base64url'] as const)(
    'boot when they are written in %s',
    (encoding) => {
      const refused = secrets.filter((secret) => !boots(secret.toString(encoding)));
      expect(refused).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'boot when they are raw bytes, upper-case digits or base64 without padding',
    () => {
      for (const secret of secrets.slice(0, RANDOM_SECRETS / 10)) {
        expect(boots(new Uint8Array(secret))).toBe(true);
        expect(boots(secret.toString('hex').toUpperCase())).toBe(true);
        expect(boots(secret.toString('base64').replace('=', ''))).toBe(true);
      }
    },
    LONG_MS,
  );
});

describe('The 10,000 most common passwords', () => {
  const known = dictionary['passwords-common'].slice(0, 10_000);
  const passwords = known.filter((_, at) => at % PASSWORD_STEP === 0);

  it('are all in the table, with the most common ones first', () => {
    expect(known).toHaveLength(10_000);
    expect(known.slice(0, 3)).toEqual(['123456', 'password', '12345678']);
  });

  it.each<[string, (password: string) => string]>([
    ['repeated to 32 bytes', (password) => fill(password, password).slice(0, 32)],
    ['repeated to 64 bytes and more', (password) => fill(password, password, 64)],
    ['padded with zeros', (password) => fill(password, '0')],
    ['padded with zeros in front', (password) => password.padStart(32, '0')],
    ['padded with x', (password) => fill(password, 'x', 48)],
    ['padded with =', (password) => fill(password, '=')],
    ['padded with !', (password) => fill(password, '!')],
    ['padded with digits', (password) => fill(password, '1234567890')],
    ['padded with a year', (password) => fill(password, '2026')],
    ['padded with zero bytes', (password) => fill(password, '\0')],
    [
      'padded with themselves reversed',
      (password) => fill(password, reversed(password) + password),
    ],
    ['in capitals, then as they are', (password) => fill(password.toUpperCase(), password)],
    ['repeated, in base64', (password) => base64(fill(password, password))],
    ['repeated, in hexadecimal', (password) => hex(fill(password, password))],
  ])(
    'do not boot when they are %s',
    (_, made) => {
      const short = passwords.filter((password) => Buffer.byteLength(made(password)) < 32);
      expect(short).toEqual([]);
      expect(passwords.filter((password) => boots(made(password)))).toEqual([]);
    },
    LONG_MS,
  );
});

describe('A guessable secret', () => {
  const GUESSABLE = [
    'change-me-change-me-change-me-change-me',
    'your-secret-here-at-least-32-characters',
    'this_is_an_insecure_development_secret',
    'PLACEHOLDER-FOR-THE-PRODUCTION-PASSWORD',
    'MySuperSecretKeyForTwoFactor2024!!',
    'thisisaverysecretsecretforproduction!',
    'my-company-two-factor-secret-key-2026-production',
    'Ch4ng3M3!Ch4ng3M3!Ch4ng3M3!Ch4ng3M3!',
    'P@ssw0rd!P@ssw0rd!2026P@ssw0rd!Admin',
    'correct-horse-battery-staple-correct',
    'the-quick-brown-fox-jumps-over-the-lazy-dog',
    'Lorem-ipsum-dolor-sit-amet-consectetur-adipiscing-elit',
    'abcdefghijklmnopqrstuvwxyz0123456789',
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
    'zyxwvutsrqponmlkjihgfedcba9876543210',
    'qwertyuiopasdfghjklzxcvbnm1234567890',
    '!QAZ2wsx#EDC4rfv%TGB6yhn&UJM8ik,',
    'a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6',
    '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
    'deadbeefcafebabedeadbeefcafebabe',
    '31415926535897932384626433832795028841',
    'dragonmonkeysunshineprincessfootball',
    'monday-tuesday-wednesday-thursday-friday',
  ];

  it.each(GUESSABLE)('does not boot when it is %s', (secret) => {
    expect(boots(secret)).toBe(false);
    expect(boots(reversed(secret.toLowerCase()))).toBe(false);
    expect(boots(secret.toUpperCase())).toBe(false);
  });

  it.each(GUESSABLE)('does not boot when it is the base64 or hexadecimal text of %s', (secret) => {
    expect(boots(base64(secret))).toBe(false);
    expect(boots(Buffer.from(secret).toString('base64url'))).toBe(false);
    expect(boots(hex(secret))).toBe(false);
    expect(boots(base64(hex(secret)))).toBe(false);
  });

  it.each(PUBLISHED_TEXTS)('does not boot when it is made of the published %s', (published) => {
    for (const secret of [
      published,
      `${published}-new`,
      `new-${published}`,
      published + published,
      reversed(published),
      published.slice(0, 32),
      published.toLowerCase(),
      base64(published),
    ]) {
      expect(boots(secret)).toBe(false);
    }
  });

  it.each<[string, Uint8Array]>([
    ['counted up', Buffer.from(Array.from({ length: 32 }, (_, at) => at))],
    ['counted down by 7', Buffer.from(Array.from({ length: 64 }, (_, at) => -7 * at))],
    ['16 random bytes, twice', Buffer.concat([SEED, SEED].map(() => streamOf(16)))],
    ['12 random bytes and zeros', Buffer.concat([streamOf(12), Buffer.alloc(52)])],
    ['31 zeros and a one', Buffer.concat([Buffer.alloc(31), Buffer.from([1])])],
    ['two bytes in a random order', streamOf(32).map((byte) => byte & 1)],
  ])('does not boot when its bytes are %s', (_, secret) => {
    expect(boots(secret)).toBe(false);
    expect(boots(Buffer.from(secret).toString('hex'))).toBe(false);
    expect(boots(Buffer.from(secret).toString('base64'))).toBe(false);
  });

  it('does not boot when it holds 16 random bytes', () => {
    for (let round = 0; round < 500; round += 1) {
      expect(boots(randomBytes(16).toString('hex'))).toBe(false);
      expect(boots(randomUUID())).toBe(false);
    }
  });

  it('boots when random bytes are beside the words', () => {
    expect(boots(`production-secret-${randomBytes(32).toString('base64url')}`)).toBe(true);
    expect(boots(`${randomBytes(32).toString('hex')}-change-me`)).toBe(true);
  });
});

describe('The bits of a secret', () => {
  /** Kraft's inequality, on which the chance of a false refusal rests: 8 prefix codes add up to 8 at most. */
  const sumOver = (texts: Iterable<Uint8Array>): number => {
    let sum = 0;
    for (const text of texts) sum += 2 ** -secretBits(text);
    return sum;
  };

  function* allTexts(alphabet: string, length: number): Generator<Buffer> {
    for (let number = 0; number < alphabet.length ** length; number += 1) {
      let text = '';
      for (let rest = number; text.length < length; rest = Math.floor(rest / alphabet.length)) {
        text += alphabet.charAt(rest % alphabet.length);
      }
      yield Buffer.from(text, 'latin1');
    }
  }

  it.each<[string, string, number]>([
    ['two bytes', Array.from({ length: 256 }, (_, at) => String.fromCharCode(at)).join(''), 2],
    ['five digits', '0123456789', 5],
    ['four characters of words', 'thesoTHESO-103', 4],
    ['nine characters of a pattern', 'abA', 9],
  ])('satisfy the inequality of Kraft over all texts of %s', (_, alphabet, length) => {
    expect(sumOver(allTexts(alphabet, length))).toBeLessThanOrEqual(8);
  });

  it('are found within a moment for a secret of a megabyte, of which the first kilobyte is read', () => {
    const before = performance.now();
    expect(secretBits(Buffer.alloc(1_000_000, 'abc'))).toBeLessThan(MIN_SECRET_BITS);
    expect(secretBits(randomBytes(1_000_000))).toBe(MIN_SECRET_BITS);
    const begun = Buffer.alloc(1_024, 'abc');
    expect(secretBits(Buffer.concat([begun, randomBytes(1_000)]))).toBe(secretBits(begun));
    expect(performance.now() - before).toBeLessThan(20_000);
  });
});
