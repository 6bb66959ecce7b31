import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolledApp, enrolledPasskey, totpCode } from '../../lib/testing/index.js';
import { factorsOf } from '../support/authenticator.js';
import { ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

describe('The factories of the testing kit', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({ options: { methods: PASSKEY_METHODS, limits: {} } });
  });
  afterAll(() => test.close());

  it('enrol an app, whose code confirms at once', async () => {
    const { clock } = test;
    const { factor, secret, recoveryCodes } = await enrolledApp(factorsOf(test), {
      subject: 'ann',
      clock,
    });
    const { id } = await test.confirmer.makeConfirmation({ subject: 'ann', methods: ['totp'] });

    const code = totpCode(secret, clock);
    expect((await test.confirmer.confirm(id, { method: 'totp', code }))[1]).toBe(true);
    expect(recoveryCodes).toHaveLength(10);
    expect(await factorsOf(test).list({ subject: 'ann' })).toMatchObject([{ id: factor.id }, {}]);
  });

  it('enrol a passkey, whose authenticator confirms', async () => {
    const { authenticator } = await enrolledPasskey(factorsOf(test), {
      subject: 'bea',
      origin: ORIGIN,
    });
    const { id } = await test.confirmer.makeConfirmation({ subject: 'bea', methods: ['passkey'] });
    const options = await test.confirmer.challenge(id, { method: 'passkey' });
    const response = authenticator.get(options);

    expect((await test.confirmer.confirm(id, { method: 'passkey', response }))[1]).toBe(true);
  });

  it('throw an error that names the wrong origin, clock or secret', async () => {
    const factors = factorsOf(test);
    const clock = { now: () => test.clock.now() + 3_600_000 };

    await expect(
      enrolledPasskey(factors, { subject: 'cleo', origin: 'https://evil.example' }),
    ).rejects.toThrow('Give an origin that the option origins lists.');
    await expect(enrolledApp(factors, { subject: 'cleo', clock })).rejects.toThrow(
      'The clock is not the one of the application.',
    );
    expect(() => totpCode('no base32!', clock)).toThrow('The secret of an app is base32.');
  });
});
