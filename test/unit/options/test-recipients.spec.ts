// A fixed code that was left in production by mistake would let all who know it in.
import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { resolveOptions } from '../../../lib/options/index.js';
import { PRODUCTION, refusal, secret } from './settings-fixtures.js';

const TEST = { NODE_ENV: 'test' };
const NOW = Date.UTC(2026, 10, 29);
const DAY_MS = 86_400_000;
const clock = { now: () => NOW };
const inDays = (days: number): Date => new Date(NOW + days * DAY_MS);
const entry = {
  token: 'reviewer@example.com',
  code: '804-213',
  purposes: ['login'],
  validUntil: inDays(30),
};
const refused = (change: object, environment = TEST): string =>
  refusal({ clock, testRecipients: [{ ...entry, ...change }] }, environment);
const resolved = (options: object, environment = TEST) =>
  resolveOptions({ secret, clock, ...options }, environment).testRecipients;

describe('Test recipients', () => {
  it.each([[undefined], [[]]])('are null for %j', (testRecipients) => {
    expect(resolved({ testRecipients }, PRODUCTION)).toBeNull();
  });

  it('have the normalised code, which no dump of the options shows', () => {
    const [recipient] = resolved({ testRecipients: [entry] })!;

    expect(recipient!.readCode()).toBe('804213');
    expect(recipient).toMatchObject({ endsAt: NOW + 30 * DAY_MS, token: entry.token });
    expect(inspect(recipient, { depth: 5, showHidden: true })).not.toContain('804213');
    expect(JSON.stringify(recipient)).not.toContain('804213');
  });

  it.each<[object, string]>([
    [{ token: '' }, 'token is no token.'],
    [{ token: 5 }, 'token is no token.'],
    [{ token: 'x'.repeat(321) }, 'token is no token.'],
    [{ code: '12345' }, 'code is no code.'],
    [{ code: 804_213 }, 'code is no code.'],
    [{ code: 'x'.repeat(65) }, 'code is no code.'],
    [{ code: undefined }, 'code is no code.'],
    [{ purposes: undefined }, 'purposes is undefined.'],
    [{ purposes: [] }, 'purposes is an array.'],
    [{ purposes: 'login' }, 'purposes is "login".'],
    [{ purposes: ['Log in'] }, 'purposes is a list with other values than names.'],
    [{ purposes: [undefined] }, 'purposes is a list with other values than names.'],
    [{ purposes: ['login', 'factors'] }, 'purposes has factors: a code that is known to others'],
    [{ validUntil: undefined }, 'validUntil is undefined.'],
    [{ validUntil: '2026-12-31' }, 'validUntil is "2026-12-31".'],
    [{ validUntil: new Date('never') }, 'validUntil is an invalid date.'],
    [{ validUntil: new Date(NOW + 90 * DAY_MS + 1) }, 'validUntil is more than 90 days ahead.'],
  ])('are refused with %o', (change, problem) => {
    expect(refused(change)).toMatch(`Option testRecipients[0].${problem}`);
  });

  it('are refused with an unknown member, and when they are no objects or no list', () => {
    expect(refused({ until: 5 })).toBe(
      'There is no member of testRecipients[0]: until. Known: code, purposes, token, validUntil.',
    );
    expect(refusal({ testRecipients: ['804213'] }, TEST)).toBe(
      'Option testRecipients[0] is "a text". Give an object.',
    );
    expect(refusal({ testRecipients: '804213' }, TEST)).toBe(
      'Option testRecipients is a text. Give a list.',
    );
  });

  it('may end in 90 days, or may have ended: a date keeps no application from starting', () => {
    for (const validUntil of [inDays(90), inDays(0), inDays(-400)]) {
      expect(resolved({ testRecipients: [{ ...entry, validUntil }] })).toHaveLength(1);
    }
  });
});

describe('Test recipients in production', () => {
  const twice = { testRecipients: [entry], allowTestRecipientsInProduction: [entry.token] };

  it.each(['production', 'staging', ''])(
    'are refused with NODE_ENV=%j unless their tokens are repeated',
    (NODE_ENV) => {
      const message = refused({}, { NODE_ENV });

      expect(message).toBe(
        'Option testRecipients[0] has a fixed code, and NODE_ENV is neither "development" nor "test": all who know it confirm ' +
          'for this recipient. Remove the entry, or repeat its token in allowTestRecipientsInProduction.',
      );
      expect(resolved(twice, { NODE_ENV })).toHaveLength(1);
    },
  );

  it('are refused when allowTestRecipientsInProduction names only others, also after validUntil', () => {
    const other = { ...entry, token: 'other@example.com', validUntil: inDays(-1) };
    const message = refusal({ clock, ...twice, testRecipients: [entry, other] });

    expect(message).toMatch(/^Option testRecipients\[1\] has a fixed code/);
  });

  it.each(['000000', '123456', '87654321', 'ABCDEF'])(
    'are refused with the code %s, which is allowed in development',
    (code) => {
      const options = { ...twice, clock, testRecipients: [{ ...entry, code }] };

      expect(refusal(options)).toMatch(
        /^Option testRecipients\[0\]\.code is one of the first codes that are guessed/,
      );
      expect(resolved(options, TEST)).toHaveLength(1);
    },
  );

  it('may be removed while allowTestRecipientsInProduction still names them, which must be a list of texts', () => {
    const allowTestRecipientsInProduction = [entry.token];

    expect(resolved({ allowTestRecipientsInProduction }, PRODUCTION)).toBeNull();
    expect(refusal({ allowTestRecipientsInProduction: [entry.token, 5] })).toBe(
      'Option allowTestRecipientsInProduction[1] is 5. Give a token of testRecipients.',
    );
    expect(refusal({ allowTestRecipientsInProduction: true })).toBe(
      'Option allowTestRecipientsInProduction is true. Give a list.',
    );
  });

  it('are refused when allowTestRecipientsInProduction has their token in another spelling', () => {
    expect(
      refusal({ clock, ...twice, allowTestRecipientsInProduction: ['Reviewer@example.com'] }),
    ).toMatch(/^Option testRecipients\[0\] has a fixed code/);
  });
});
