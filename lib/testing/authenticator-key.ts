import {
  createHash,
  generateKeyPairSync,
  sign,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';

import type { CborValue } from './cbor.js';

/** An algorithm of passkeys. */
export type AuthenticatorAlgorithm = 'ES256' | 'EdDSA' | 'RS256';

type CoseKey = ReadonlyMap<number, CborValue>;

const RSA_BITS = 2_048;
/** COSE numbers (RFC 9053, RFC 8812). ES384 is one that passkeys may not have. */
const COSE = { ES256: -7, EdDSA: -8, ES384: -35, RS256: -257 } as const;

/** A key pair of a passkey. */
export class AuthenticatorKey {
  private constructor(
    /** The COSE number of the algorithm. */
    readonly cose: number,
    readonly publicKey: CoseKey,
    private readonly privateKey: KeyObject,
  ) {}

  static draw(algorithm: keyof typeof COSE): AuthenticatorKey {
    const { privateKey, publicKey } = draw(algorithm);
    const jwk = publicKey.export({ format: 'jwk' });
    return new AuthenticatorKey(COSE[algorithm], coseKey(COSE[algorithm], jwk), privateKey);
  }

  sign(data: Uint8Array, hash: 'sha256' | 'sha512'): Buffer {
    if (this.privateKey.asymmetricKeyType !== 'ed25519') return sign(hash, data, this.privateKey);
    // Ed25519 hashes by itself. Data that are hashed before are signed by another algorithm.
    const message = hash === 'sha256' ? data : createHash(hash).update(data).digest();
    return sign(null, message, this.privateKey);
  }
}

function draw(algorithm: keyof typeof COSE): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (algorithm) {
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
    case 'ES384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    default:
      return algorithm satisfies never;
  }
}

/** The COSE form of a key (RFC 9052 7, RFC 9053 7, RFC 8230 4). */
function coseKey(alg: number, { kty, x, y, n, e }: JsonWebKey): CoseKey {
  const bytes = (text: string | undefined): Buffer => Buffer.from(text!, 'base64url');
  if (kty === 'RSA')
    return new Map<number, CborValue>([
      [1, 3],
      [3, alg],
      [-1, bytes(n)],
      [-2, bytes(e)],
    ]);
  if (kty === 'OKP')
    return new Map<number, CborValue>([
      [1, 1],
      [3, alg],
      [-1, 6],
      [-2, bytes(x)],
    ]);
  const curve = alg === COSE.ES256 ? 1 : 2;
  return new Map<number, CborValue>([
    [1, 2],
    [3, alg],
    [-1, curve],
    [-2, bytes(x)],
    [-3, bytes(y)],
  ]);
}
