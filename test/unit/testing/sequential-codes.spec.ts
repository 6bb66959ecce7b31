import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { sequentialCodes } from '../../../lib/testing/index.js';

describe('sequentialCodes', () => {
  it('counts up from the first code, each generator for itself', () => {
    const [one, other] = [sequentialCodes('000008'), sequentialCodes('000001')];
    expect([one(), one(), one()]).toEqual(['000008', '000009', '000010']);
    expect([other(), other()]).toEqual(['000001', '000002']);
  });

  it('begins again after the last code of that length', () => {
    const codes = sequentialCodes('99999999');
    expect([codes(), codes(), codes()]).toEqual(['99999999', '00000000', '00000001']);
  });

  it('counts exactly up to the last of 15 digits', () => {
    const codes = sequentialCodes('999999999999998');
    expect([codes(), codes(), codes()]).toEqual([
      '999999999999998',
      '999999999999999',
      '000000000000000',
    ]);
  });

  it.each(['12345', '', '1234567890123456', 'ABCDEF', '12 3456', 123_456, null])(
    'refuses %j as the first code',
    (first) => {
      expect(() => sequentialCodes(first as string)).toThrow(
        new TwoFactorConfigurationError(
          "sequentialCodes counts in 6 to 15 digits. Give the first code as a string: sequentialCodes('000001').",
        ),
      );
    },
  );
});
