import { describe, expect, it } from 'vitest';

import { isRolledBack } from '../../../lib/database/database-error.js';

describe('What the server certainly did not do', () => {
  it.each(['23505', '0A000', '22012', 'P0001', 'HV00N'])('is told by SQLSTATE %s', (code) => {
    expect(isRolledBack(Object.assign(new Error('refused'), { code }))).toBe(true);
  });

  it.each(['EPIPE', 'EPERM', '08006', '57P01', 'XX000', '40003', '25006', 'ECONNRESET'])(
    'is not told by %s',
    (code) => {
      expect(isRolledBack(Object.assign(new Error('broken'), { code }))).toBe(false);
    },
  );
});
