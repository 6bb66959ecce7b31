import { randomBytes, randomInt } from 'node:crypto';

import { Secret, TOTP } from 'otpauth';
import { describe, expect, it } from 'vitest';

import { base32, bytesOfBase32 } from '../../../lib/methods/totp/base32.js';
import {
  matchingStep,
  stepAt,
  totpCode,
  type TotpAlgorithm,
  type TotpParameters,
} from '../../../lib/methods/totp/totp-code.js';

const SEED = '1234567890';

/** The secrets of RFC 6238 appendix B are as long as the hash. */
function rfc(algorithm: TotpAlgorithm, bytes: number): TotpParameters {
  const secret = Buffer.from(SEED.repeat(7).slice(0, bytes));
  return { secret, digits: 8, period: 30, algorithm };
}

describe('The codes of an authenticator app', () => {
  it.each([
    [59, '94287082', '46119246', '90693936'],
    [1_111_111_109, '07081804', '68084774', '25091201'],
    [1_111_111_111, '14050471', '67062674', '99943326'],
    [1_234_567_890, '89005924', '91819424', '93441116'],
    [2_000_000_000, '69279037', '90698825', '38618901'],
    [20_000_000_000, '65353130', '77737706', '47863826'],
  ])('are those of RFC 6238 appendix B at %i seconds', (seconds, sha1, sha256, sha512) => {
    const codes = [rfc('SHA1', 20), rfc('SHA256', 32), rfc('SHA512', 64)].map((parameters) =>
      totpCode(stepAt(seconds * 1_000, parameters), parameters),
    );

    expect(codes).toEqual([sha1, sha256, sha512]);
  });

  it.each([
    [
      '755224',
      '287082',
      '359152',
      '969429',
      '338314',
      '254676',
      '287922',
      '162583',
      '399871',
      '520489',
    ],
  ])('are those of RFC 4226 appendix D', (...expected) => {
    const parameters = { ...rfc('SHA1', 20), digits: 6 };

    expect(expected.map((_, step) => totpCode(step, parameters))).toEqual(expected);
  });

  it('are those of another library at 100,000 random times', () => {
    const algorithms = ['SHA1', 'SHA256', 'SHA512'] as const;
    const others = Array.from({ length: 10 }, (_, index) => {
      const algorithm = algorithms[index % 3]!;
      const digits = 6 + (index % 3);
      const period = 15 + randomInt(106);
      const secret = randomBytes(10 + randomInt(55));
      const parameters: TotpParameters = { secret, digits, period, algorithm };
      // The other library copies the bytes from the start of their buffer.
      const buffer = Uint8Array.from(secret).buffer;
      return {
        parameters,
        totp: new TOTP({ secret: new Secret({ buffer }), digits, period, algorithm }),
      };
    });
    const differing: string[] = [];
    for (let count = 0; count < 100_000; count += 1) {
      const { parameters, totp } = others[count % others.length]!;
      const timestamp = randomInt(2 ** 42);
      const code = totpCode(stepAt(timestamp, parameters), parameters);
      if (code !== totp.generate({ timestamp })) differing.push(`${code} at ${timestamp}`);
    }

    expect(differing).toEqual([]);
  });

  it('are accepted in the step before, the current one and the next one, after the last step that was spent', () => {
    const parameters = { ...rfc('SHA1', 20), digits: 6 };
    const now = 1_700_000_000_000;
    const current = stepAt(now, parameters);
    const accepted = (after: number): number[] =>
      [-2, -1, 0, 1, 2].filter(
        (later) =>
          matchingStep(totpCode(current + later, parameters), parameters, now, after) !== null,
      );

    expect(accepted(0)).toEqual([-1, 0, 1]);
    expect(accepted(current - 1)).toEqual([0, 1]);
    expect(accepted(current)).toEqual([1]);
    expect(accepted(current + 1)).toEqual([]);
  });

  it('are not accepted with another number of digits', () => {
    const parameters = { ...rfc('SHA1', 20), digits: 6 };
    const now = 59_000;
    const code = totpCode(stepAt(now, parameters), parameters);

    for (const other of [code.slice(1), `0${code}`, `${code}0`, '', code.replace(/^./, 'x')]) {
      expect(matchingStep(other, parameters, now, 0)).toBeNull();
    }
  });
});

describe('Base32', () => {
  it.each([
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ])('is that of RFC 4648 10: %j', (text, encoded) => {
    expect(base32(Buffer.from(text))).toBe(encoded);
    expect(bytesOfBase32(encoded)).toEqual(Buffer.from(text));
    expect(bytesOfBase32(`${encoded.toLowerCase()}===`)).toEqual(Buffer.from(text));
  });

  it.each(['1', '0', '8', 'MZXW6!', 'MZ=W', 'ÄÖ'])('decodes %j to null', (text) => {
    expect(bytesOfBase32(text)).toBeNull();
  });
});
