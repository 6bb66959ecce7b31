import { describe, expect, it, vi, afterEach } from 'vitest';

import { TwoFactorConfigurationError, TwoFactorInputError } from '../../../lib/index.js';
import { SoftwareAuthenticator } from '../../../lib/testing/software-authenticator.js';
import { ORIGIN, PasskeyBench } from '../../support/passkeys.js';

afterEach(() => vi.unstubAllEnvs());

describe('A software authenticator', () => {
  it.each([
    [false, [2, 3, 4]],
    [true, [0, 0, 0]],
  ])('counts as real ones do when synced is %j', async (isSynced, counters) => {
    const bench = await PasskeyBench.open({}, { isSynced });
    const passkey = await bench.enrol();
    for (const counter of counters) {
      const response = bench.authenticator.get(bench.requestOptions(passkey));
      expect((await bench.assert(response, passkey)).evidence?.counter).toBe(counter);
    }
  });

  it('goes on counting after a counter that went backwards', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const options = bench.requestOptions(passkey);

    expect(
      (await bench.assert(bench.authenticator.get(options, 'counter-backwards'), passkey)).refusal,
    ).toBe('counter');
    expect((await bench.assert(bench.authenticator.get(options), passkey)).evidence?.counter).toBe(
      2,
    );
  });

  it('refuses a fault that its passkeys cannot have', async () => {
    const bench = await PasskeyBench.open({}, { isSynced: true });
    const options = bench.requestOptions(await bench.enrol());

    expect(() => bench.authenticator.get(options, 'counter-backwards')).toThrow(
      new TwoFactorInputError('The counter of a synced passkey is always 0.'),
    );
  });

  it('creates no second passkey when the options exclude the one that it holds', async () => {
    const bench = await PasskeyBench.open();
    const { id } = await bench.enrol();
    const options = {
      ...bench.creationOptions(),
      excludeCredentials: [{ type: 'public-key' as const, id }],
    };

    expect(() => bench.authenticator.create(options)).toThrow(
      new TwoFactorInputError('The authenticator holds a passkey of this account already.'),
    );
  });

  it('creates none when the options do not allow its algorithm', async () => {
    const bench = await PasskeyBench.open({}, { algorithm: 'EdDSA' });
    const options = {
      ...bench.creationOptions(),
      pubKeyCredParams: [{ type: 'public-key' as const, alg: -7 }],
    };

    expect(() => bench.authenticator.create(options)).toThrow(
      new TwoFactorInputError('The options do not allow EdDSA.'),
    );
  });

  it('signs with none when it holds none that is allowed, or the domain is another one', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const options = bench.requestOptions(passkey);
    const refusal = new TwoFactorInputError(
      'The authenticator holds none of the passkeys that are allowed.',
    );

    expect(() => new SoftwareAuthenticator({ origin: ORIGIN }).get(options)).toThrow(refusal);
    expect(() => bench.authenticator.get({ ...options, allowCredentials: [] })).toThrow(refusal);
    expect(() => bench.authenticator.get({ ...options, rpId: 'evil.example' })).toThrow(refusal);
  });

  it('answers with the one that is allowed when it holds several', async () => {
    const bench = await PasskeyBench.open();
    const [first, second] = [await bench.enrol(), await bench.enrol()];

    expect(bench.authenticator.get(bench.requestOptions(second)).id).toBe(second.id);
    expect(bench.authenticator.get(bench.requestOptions(first)).id).toBe(first.id);
  });

  it.each(['production', '', 'staging', undefined])(
    'does not work with NODE_ENV=%j',
    async (name) => {
      const bench = await PasskeyBench.open();
      const passkey = await bench.enrol();
      vi.stubEnv('NODE_ENV', name);

      expect(() => new SoftwareAuthenticator({ origin: ORIGIN })).toThrow(
        TwoFactorConfigurationError,
      );
      expect(() => bench.authenticator.create(bench.creationOptions())).toThrow(
        TwoFactorConfigurationError,
      );
      expect(() => bench.authenticator.get(bench.requestOptions(passkey))).toThrow(
        TwoFactorConfigurationError,
      );
    },
  );
});
