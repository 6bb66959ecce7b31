import type { PasskeyLibrary } from './passkey-library.js';
import type { CoseKey } from './public-key.js';

/** `{ "fmt": "none", "attStmt": {}, "authData": h'...' }` in CBOR (RFC 8949), up to the 2 bytes of the length of the data. */
const NO_ATTESTATION = Buffer.concat([
  Buffer.from([0xa3, 0x63]),
  Buffer.from('fmt'),
  Buffer.from([0x64]),
  Buffer.from('none'),
  Buffer.from([0x67]),
  Buffer.from('attStmt'),
  Buffer.from([0xa0, 0x68]),
  Buffer.from('authData'),
  Buffer.from([0x59]),
]);

/**
 * The authenticator data of a registration; `null` for anything else.
 *
 * @param attestationObject in base64url, short enough that its decoding costs nothing.
 */
export function attestedData(
  library: PasskeyLibrary,
  attestationObject: string,
): Uint8Array | null {
  try {
    const bytes = new Uint8Array(Buffer.from(attestationObject, 'base64url'));
    const data: unknown = library.decodeAttestationObject(bytes).get('authData');
    return data instanceof Uint8Array ? data : null;
  } catch {
    // No CBOR, no map, or nested deeper than the stack.
    return null;
  }
}

/** The credential that a registration brings. */
export interface AttestedCredential {
  /** The id of the credential in base64url. */
  readonly id: string;
  /** The COSE key in base64url, and decoded. */
  readonly publicKey: string;
  readonly key: CoseKey;
}

/** The credential in the authenticator data of a registration; `null` when there is none, or more than there should be. */
export function attestedCredential(
  library: PasskeyLibrary,
  authenticatorData: Uint8Array,
): AttestedCredential | null {
  try {
    // A copy, because the library corrects the data of an old browser in place.
    const { credentialID, credentialPublicKey } = library.parseAuthenticatorData(
      new Uint8Array(authenticatorData),
    );
    if (!credentialID || !credentialPublicKey) return null;
    // Declared as a map by the library, and decoded without a check: the client chooses what stands in the place of the key.
    const key: unknown = library.decodeCredentialPublicKey(credentialPublicKey);
    if (!(key instanceof Map)) return null;
    return {
      id: Buffer.from(credentialID).toString('base64url'),
      publicKey: Buffer.from(credentialPublicKey).toString('base64url'),
      key,
    };
  } catch {
    return null;
  }
}

/**
 * A registration without its attestation statement. None is asked for, and a client that sends one nevertheless would let the
 * library read its certificates, and fetch the revocation lists that they name.
 *
 * @returns base64url.
 */
export function unattested(authenticatorData: Uint8Array): string {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(authenticatorData.byteLength);
  return Buffer.concat([NO_ATTESTATION, length, authenticatorData]).toString('base64url');
}
