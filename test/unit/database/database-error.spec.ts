import { describe, expect, it } from 'vitest';

import {
  isDuplicateKey,
  isBatchUnsupported,
  isSerializationFailure,
  isPreparedStatementRefused,
  isReadOnly,
  isStatementUnsupported,
  isRolledBack,
  isUndone,
  translateDatabaseError,
} from '../../../lib/database/database-error.js';
import { TwoFactorUnavailableError } from '../../../lib/index.js';

describe('isRolledBack, which says whether the server certainly executed nothing,', () => {
  it.each(['23505', '0A000', '22012', 'P0001', 'HV00N'])(
    'is true for an error with SQLSTATE %s',
    (code) => {
      expect(isRolledBack(Object.assign(new Error('refused'), { code }))).toBe(true);
    },
  );

  it.each(['EPIPE', 'EPERM', '08006', '57P01', 'XX000', '40003', '25006', 'ECONNRESET'])(
    'is false for an error with code %s, after which the statement may have been executed',
    (code) => {
      expect(isRolledBack(Object.assign(new Error('broken'), { code }))).toBe(false);
    },
  );
});

describe('isUndone, which says the same for MySQL and MariaDB,', () => {
  it.each([
    [1062, '23000', 'a taken id'],
    [1406, '22001', 'a value that is too long'],
    [1142, '42000', 'a missing privilege'],
    [1213, '40001', 'a deadlock'],
    [3101, '40000', 'a transaction that group replication ended'],
    [1205, 'HY000', 'a lock wait that took too long'],
    [1175, 'HY000', 'a joined UPDATE with sql_safe_updates'],
  ])('is true for %s %s, %s', (errno, sqlState) => {
    expect(isUndone(Object.assign(new Error('refused'), { errno, sqlState }))).toBe(true);
  });

  it.each([
    [1180, 'HY000', 'an error of the COMMIT'],
    [1053, '08S01', 'a shutdown'],
    [1317, '70100', 'an interrupted statement'],
    [-104, '', 'a lost connection, which has no SQLSTATE'],
  ])('is false for %s %s, %s', (errno, sqlState) => {
    expect(isUndone(Object.assign(new Error('broken'), { errno, sqlState }))).toBe(false);
  });
});

describe('An error of any kind', () => {
  const judges = {
    isDuplicateKey,
    isBatchUnsupported,
    isSerializationFailure,
    isPreparedStatementRefused,
    isReadOnly,
    isStatementUnsupported,
    isRolledBack,
    isUndone,
  };
  /** What drivers have been seen to reject with, and an error of this package that has no cause. */
  const errors: readonly (readonly [string, unknown])[] = [
    ['nothing', undefined],
    ['null', null],
    ['a string', 'connection lost'],
    ['a number', 42],
    ['an object without a prototype', Object.create(null)],
    ['a wrapper around null', Object.assign(new Error('wrapped'), { driverError: null })],
    ['an error of this package without a cause', new TwoFactorUnavailableError('Too late.')],
  ];

  describe.each(errors)('%s', (_, error) => {
    it.each(Object.entries(judges))('is not mistaken for anything by %s', (_name, judge) => {
      expect(judge(error)).toBe(false);
    });

    it.each([true, false])(
      'becomes TwoFactorUnavailableError, in a transaction: %s',
      (isInside) => {
        expect(translateDatabaseError(error, isInside)).toBeInstanceOf(TwoFactorUnavailableError);
      },
    );
  });

  it('keeps what the driver said as its cause, and its code', () => {
    const driverError = Object.assign(new Error('terminating connection'), { code: '57P01' });

    const { cause } = translateDatabaseError(
      Object.assign(new Error('with statement and parameters'), { driverError }),
      false,
    );

    expect(cause).toMatchObject({ message: 'terminating connection', code: '57P01' });
  });
});
