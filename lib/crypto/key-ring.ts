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

function derive(secret: Uint8Array, label: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', label, bytes));
}

function ringKey(secret: Uint8Array, application: string): RingKey {
  // No name has a slash, so no label of one application is the label of another, or of one without a name.
  const label = application === '' ? LABEL : `${LABEL}application/${application}/`;
  const key = (purpose: string): KeyObject =>
    createSecretKey(derive(secret, label + purpose, KEY_BYTES));
  return Object.freeze({
    kid: derive(secret, `${label}kid`, KID_BYTES).toString('base64url'),
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

  /**
   * @param application Keeps applications with the same secrets apart: all their keys differ. Without a name, the keys are
   * those of the secret alone.
   * @throws RangeError when there is no secret.
   */
  static fromSecrets(secrets: readonly Uint8Array[], application = ''): KeyRing {
    const keys = secrets.map((secret) => ringKey(secret, application));
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
