import type { CodeGenerator } from '../crypto/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { assertDevelopment } from './assert-development.js';

/**
 * Creates a code generator for tests that must know a code before it is drawn. It counts up, and begins again after the last code
 * of that length. Each generator has its own count.
 *
 * @param first The first code, 6 to 15 digits.
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`, also for each code.
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
    // Checked again, because a generator that was created in a test can be passed to other code.
    assertDevelopment('sequentialCodes');
    const code = String(next).padStart(first.length, '0');
    next = (next + 1) % 10 ** first.length;
    return code;
  };
}
