import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** COSE algorithms (RFC 9053, RFC 8812), the most common one first: browsers take the first that an authenticator knows. */
export const ALGORITHMS = { ES256: -7, EdDSA: -8, RS256: -257 } as const;

/** Labels of a COSE key (RFC 9052 7, RFC 9053 7, RFC 8230 4). Labels below 0 depend on the type of the key. */
const KEY_TYPE_LABEL = 1;
const ALGORITHM_LABEL = 3;
const OKP = 1;
const EC2 = 2;
const RSA = 3;
const P256 = 1;
const ED25519 = 6;
const MIN_RSA_BITS = 2_048;
/** The time of a verification grows with the square of the length, and the client chooses the key. */
const MAX_RSA_BITS = 4_096;
const RSA_EXPONENT = 65_537n;

/** A decoded COSE key. */
export interface CoseKey {
  get(label: number): unknown;
}

/**
 * Whether a key is one that passkeys may have: ES256 on P-256, EdDSA on Ed25519, or RS256 with 2,048 to 4,096 bits.
 *
 * The key is imported, because registration verifies no signature by it: a point that is not on the curve would become a passkey
 * that can never sign, and may be the person's only one.
 */
export function isAcceptedKey(key: CoseKey): boolean {
  const jwk = toJwk(key);
  const imported = jwk && tryImport(jwk);
  if (!imported) return false;
  if (imported.asymmetricKeyType !== 'rsa') return true;
  const { modulusLength = 0, publicExponent } = imported.asymmetricKeyDetails ?? {};
  return (
    modulusLength >= MIN_RSA_BITS &&
    modulusLength <= MAX_RSA_BITS &&
    publicExponent === RSA_EXPONENT
  );
}

/** `null` for another algorithm, and for a key of another type or curve than its algorithm has. */
function toJwk(key: CoseKey): JsonWebKey | null {
  const bytes = (label: number): string => {
    const value = key.get(label);
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : '';
  };
  const [type, algorithm, curve] = [KEY_TYPE_LABEL, ALGORITHM_LABEL, -1].map((label) =>
    key.get(label),
  );
  if (algorithm === ALGORITHMS.ES256 && type === EC2 && curve === P256) {
    return { kty: 'EC', crv: 'P-256', x: bytes(-2), y: bytes(-3) };
  }
  if (algorithm === ALGORITHMS.EdDSA && type === OKP && curve === ED25519) {
    return { kty: 'OKP', crv: 'Ed25519', x: bytes(-2) };
  }
  if (algorithm === ALGORITHMS.RS256 && type === RSA) {
    return { kty: 'RSA', n: bytes(-1), e: bytes(-2) };
  }
  return null;
}

function tryImport(jwk: JsonWebKey): KeyObject | null {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // The client sent numbers that are no valid public key, such as a point that is not on the curve.
    return null;
  }
}
