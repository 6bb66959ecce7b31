import type { MethodDefinition } from '../../options/index.js';
import { resolvePasskeyOptions, type PasskeyOptions } from './passkey-options.js';
import { PasskeyMethod } from './passkey.method.js';

/**
 * Passkeys (WebAuthn Level 3): the person confirms with the fingerprint, the face or the PIN of a device, or with a security key.
 * The browser signs for one confirmation and one origin, so that a page of a thief gets nothing that works elsewhere. Up to 10
 * for each subject. It needs the package `@simplewebauthn/server`, which is loaded at boot.
 *
 * @throws TwoFactorConfigurationError for options that are unsafe, or with which no browser would use a passkey.
 * @example
 * ```ts
 * TwoFactorModule.forRoot({
 *   secret,
 *   methods: [passkeys({ rpName: 'ACME', rpId: 'acme.example', origins: ['https://acme.example'] }), recoveryCodes()],
 * });
 * ```
 * @publicApi
 */
export function passkeys(options: PasskeyOptions): MethodDefinition {
  return new PasskeyMethod(resolvePasskeyOptions(options));
}
