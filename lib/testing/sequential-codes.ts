import type { CodeGenerator } from '../crypto/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { assertDevelopment } from './assert-development.js';

/**
 * A code generator for tests that must know the code before it is drawn: it counts up, and begins again after the last
 * code of that length. Each one made counts for itself.
 *
 * @param first the first code, 6 to 15 digits.
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`, here and at each code.
 * @example
 * ```ts
 * TwoFactorTestingModule.forRoot({ codeGenerator: sequentialCodes('000001') }); // 000001, 000002, ...
 * ```
 * @publicApi
 */
export function sequentialCodes(first: string): CodeGenerator {
  assertDevelopment('sequentialCodes');
  if (typeof first !== 'string' || !/^\d{6,15}$/.test(first)) {
    throw new TwoFactorConfigurationError(
      "sequentialCodes counts in 6 to 15 digits. Give the first code as a string: sequentialCodes('000001').",
    );
  }
  let next = Number(first);
  return () => {
    // A generator that was made in a test can be carried elsewhere.
    assertDevelopment('sequentialCodes');
    const code = String(next).padStart(first.length, '0');
    next = (next + 1) % 10 ** first.length;
    return code;
  };
}
