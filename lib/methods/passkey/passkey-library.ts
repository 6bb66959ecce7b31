import { TwoFactorConfigurationError } from '../../errors/index.js';

type Ceremonies = typeof import('@simplewebauthn/server');
type Helpers = typeof import('@simplewebauthn/server/helpers');

/** What is used of the optional package: it decodes and verifies, and draws nothing. */
export interface PasskeyLibrary {
  readonly verifyRegistrationResponse: Ceremonies['verifyRegistrationResponse'];
  readonly verifyAuthenticationResponse: Ceremonies['verifyAuthenticationResponse'];
  readonly decodeAttestationObject: Helpers['decodeAttestationObject'];
  readonly parseAuthenticatorData: Helpers['parseAuthenticatorData'];
  readonly decodeCredentialPublicKey: Helpers['decodeCredentialPublicKey'];
}

/**
 * Loads `@simplewebauthn/server`. Call it while the application boots: loading takes a fifth of a second, and a missing package
 * must fail the boot and not the first login.
 *
 * @throws TwoFactorConfigurationError when the package is missing.
 */
export async function loadPasskeyLibrary(): Promise<PasskeyLibrary> {
  try {
    const { verifyRegistrationResponse, verifyAuthenticationResponse } =
      await import('@simplewebauthn/server');
    const { decodeAttestationObject, parseAuthenticatorData, decodeCredentialPublicKey } =
      await import('@simplewebauthn/server/helpers');
    return {
      verifyRegistrationResponse,
      verifyAuthenticationResponse,
      decodeAttestationObject,
      parseAuthenticatorData,
      decodeCredentialPublicKey,
    };
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'Passkeys need the package @simplewebauthn/server: install it with "npm install @simplewebauthn/server".',
      { cause },
    );
  }
}
