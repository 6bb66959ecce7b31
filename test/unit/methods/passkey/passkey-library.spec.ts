// The library decodes and verifies signatures. It leaves some checks to its caller: here it is shown what an application that
// relies on the library alone would accept, and that it is refused here.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorConfigurationError } from '../../../../lib/index.js';
import { loadPasskeyLibrary } from '../../../../lib/methods/passkey/passkey-library.js';
import type { PasskeyAssertionResponse } from '../../../../lib/confirmation/model/passkey-json.js';
import type { EnrolledPasskey } from '../../../../lib/methods/passkey/passkey-ceremonies.js';
import type { AssertionFault } from '../../../../lib/testing/software-authenticator.js';
import { ORIGIN, PASSKEY_OPTIONS, PasskeyBench } from '../../../support/passkeys.js';

const PACKAGES = ['@simplewebauthn/server', '@simplewebauthn/server/helpers'];

afterEach(() => {
  for (const name of PACKAGES) vi.doUnmock(name);
});

/** The naive application: the example of the library's documentation. */
async function acceptsAlone(
  response: PasskeyAssertionResponse,
  challenge: string,
  { id, publicKey, counter }: EnrolledPasskey,
): Promise<boolean> {
  const { verifyAuthenticationResponse } = await loadPasskeyLibrary();
  const { verified } = await verifyAuthenticationResponse({
    response: { ...response, clientExtensionResults: {} },
    expectedChallenge: challenge,
    expectedOrigin: ORIGIN,
    expectedRPID: PASSKEY_OPTIONS.rpId,
    credential: { id, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')), counter },
  });
  return verified;
}

describe('The library', () => {
  it.each<AssertionFault>([
    'cross-origin',
    'changed-backup-flag',
    'wrong-credential',
    'wrong-user-handle',
  ])(
    'accepts an assertion with the fault %s when it is asked alone, and this package refuses it',
    async (fault) => {
      const bench = await PasskeyBench.open();
      const passkey = await bench.enrol();
      const response = bench.authenticator.get(bench.requestOptions(passkey), fault);

      expect(await acceptsAlone(response, bench.challenge, passkey)).toBe(true);
      expect((await bench.assert(response, passkey)).refusal).not.toBeNull();
    },
  );

  it.each(['cross-origin', 'top-origin'] as const)(
    'accepts a registration with the fault %s when it is asked alone, and this package refuses it',
    async (fault) => {
      const bench = await PasskeyBench.open();
      const response = bench.authenticator.create(bench.creationOptions(), fault);
      const { verifyRegistrationResponse } = await loadPasskeyLibrary();

      const { verified } = await verifyRegistrationResponse({
        response: { ...response, clientExtensionResults: {} },
        expectedChallenge: bench.challenge,
        expectedOrigin: ORIGIN,
        expectedRPID: PASSKEY_OPTIONS.rpId,
      });
      expect(verified).toBe(true);
      expect((await bench.register(response)).refusal).toBe('cross-origin');
    },
  );

  it.each(PACKAGES)(
    'fails the boot with the command to install it when %s is missing',
    async (name) => {
      vi.doMock(name, () => {
        throw new Error(`Cannot find package '${name}'`);
      });

      const failure = await loadPasskeyLibrary().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TwoFactorConfigurationError);
      expect((failure as Error).message).toBe(
        'Passkeys need the package @simplewebauthn/server: install it with "npm install @simplewebauthn/server".',
      );
    },
  );
});
