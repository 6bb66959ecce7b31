import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/** The keys derived from one secret. `kid` names them in stored rows and is no secret. */
export interface RingKey {
  readonly kid: string;
  readonly mac: KeyObject;
  readonly seal: KeyObject;
  readonly limit: KeyObject;
}

const LABEL = 'nestjs-two-factor/v1/';
const KID_BYTES = 6;
const KEY_BYTES = 32;

function derive(secret: Uint8Array, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', LABEL + purpose, bytes));
}

function ringKey(secret: Uint8Array): RingKey {
  const key = (purpose: string): KeyObject => createSecretKey(derive(secret, purpose, KEY_BYTES));
  return Object.freeze({
    kid: derive(secret, 'kid', KID_BYTES).toString('base64url'),
    mac: key('mac'),
    seal: key('seal'),
    limit: key('limit'),
  });
}

/**
 * The secrets in use, as keys (HKDF-SHA-256, RFC 5869). The first signs and seals, all verify and open: prepend a new
 * secret to rotate, remove the old one after the longest life of a confirmation.
 */
export class KeyRing {
  private constructor(
    /** Signs and seals. */
    readonly current: RingKey,
    /** All keys, the current one first. */
    readonly keys: readonly RingKey[],
  ) {}

  /** @throws RangeError when there is no secret. */
  static fromSecrets(secrets: readonly Uint8Array[]): KeyRing {
    const keys = secrets.map(ringKey);
    const [current] = keys;
    if (current === undefined) throw new RangeError('A key ring needs at least one secret.');
    return new KeyRing(current, Object.freeze(keys));
  }

  find(kid: string): RingKey | undefined {
    return this.keys.find((key) => key.kid === kid);
  }

  /** The key that a stored MAC or envelope (`v1.kid....`) names; `undefined` when it is gone or the value is foreign. */
  keyOf(stored: string): RingKey | undefined {
    const [version, kid] = stored.split('.', 2);
    return version === 'v1' && kid !== undefined ? this.find(kid) : undefined;
  }
}
