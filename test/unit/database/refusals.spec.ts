import { describe, expect, it } from 'vitest';

import { translateDatabaseError } from '../../../lib/database/database-error.js';
import { codeLabelOf, refusalOf } from '../../../lib/database/refusals.js';
import { TwoFactorConfigurationError, TwoFactorUnavailableError } from '../../../lib/index.js';

describe('The code of an error', () => {
  it.each([
    [{ code: '42501' }, 'SQLSTATE 42501'],
    [
      { code: 'ER_TABLEACCESS_DENIED_ERROR', errno: 1142 },
      'errno 1142, ER_TABLEACCESS_DENIED_ERROR',
    ],
    [{ errno: 1969 }, 'errno 1969'],
    [{ code: 1047 }, 'errno 1047'],
    [{ code: 'ECONNREFUSED', errno: -111 }, 'ECONNREFUSED'],
    // Five capitals without a digit are a name of Node, and no SQLSTATE.
    [{ code: 'EPIPE', errno: -32 }, 'EPIPE'],
    [{ code: 'SQLITE_READONLY_DBMOVED' }, 'SQLITE_READONLY_DBMOVED'],
    [{}, 'no code'],
  ])('of %j is shown as %s', (reported, label) => {
    expect(codeLabelOf({ message: 'refused', ...reported })).toBe(label);
  });
});

describe('The cause of an error without a code', () => {
  it.each([
    ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', /login/, 'set-up'],
    ['Query read timeout', /took too long/, 'caller'],
    ['Connection terminated unexpectedly', /connection .* was lost/, 'caller'],
    ['timeout exceeded when trying to connect', /cannot be reached/, 'caller'],
    ['attempt to write a readonly database', /accepts no writes/, 'operator'],
    ['database or disk is full', /is full/, 'operator'],
    ['what no server has ever said', /could not do it now/, 'caller'],
  ])('is found in the words "%s"', (message, cause, remedy) => {
    const refusal = refusalOf({ message });
    expect(refusal.cause).toMatch(cause);
    expect(refusal.remedy).toBe(remedy);
  });
});

it('an extended code of SQLite has the cause of its primary code', () => {
  const { cause } = refusalOf({ message: '', code: 'SQLITE_READONLY_DBMOVED' });
  expect(cause).toMatch(/accepts no writes/);
});

describe('What no repeated call gets over', () => {
  it.each([
    ['42501', TwoFactorConfigurationError, 'invalid-configuration', undefined],
    ['53100', TwoFactorUnavailableError, 'out-of-service', null],
    ['53300', TwoFactorUnavailableError, 'temporarily-unavailable', 1],
  ])('is not called temporary: %s', (code, type, slug, retryAfterSeconds) => {
    const error = translateDatabaseError(Object.assign(new Error('refused'), { code }), false);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ code: slug });
    expect((error as { retryAfterSeconds?: unknown }).retryAfterSeconds).toBe(retryAfterSeconds);
    expect(/Try again/.test(error.message)).toBe(slug === 'temporarily-unavailable');
  });
});
