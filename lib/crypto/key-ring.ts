import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/** The keys that are derived from one secret. `kid` identifies them in stored rows and is public. */
export interface DerivedKeys {
  readonly kid: string;
  readonly mac: KeyObject;
  readonly seal: KeyObject;
  readonly limit: KeyObject;
}

const LABEL_PREFIX = 'nestjs-two-factor/v1/';
const KID_BYTES = 6;
const KEY_BYTES = 32;

function derive(secret: Uint8Array, label: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', label, bytes));
}

function ringKey(secret: Uint8Array, application: string): DerivedKeys {
  // Application names contain no slash, so that the labels of two applications always differ.
  const label = application === '' ? LABEL_PREFIX : `${LABEL_PREFIX}application/${application}/`;
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
 * The keys of all secrets (HKDF-SHA-256, RFC 5869). The first key signs and seals, all keys verify and open. To rotate, prepend a new
 * secret, and remove the old one after the longest life of a confirmation.
 */
export class KeyRing {
  private constructor(
    /** The key that signs and seals. */
    readonly current: DerivedKeys,
    /** All keys, the current one first. */
    readonly keys: readonly DerivedKeys[],
  ) {}

  /**
   * @param application The name of the application. Applications with the same secret and different names have different keys.
   * @throws RangeError without a secret.
   */
  static fromSecrets(secrets: readonly Uint8Array[], application = ''): KeyRing {
    const keys = secrets.map((secret) => ringKey(secret, application));
    const [current] = keys;
    if (current === undefined) throw new RangeError('A key ring needs at least one secret.');
    return new KeyRing(current, Object.freeze(keys));
  }

  find(kid: string): DerivedKeys | undefined {
    return this.keys.find((key) => key.kid === kid);
  }

  /** The key of a stored MAC or envelope (`v1.kid....`); `undefined` for a key that is not in the ring, and for another format. */
  keyOf(stored: string): DerivedKeys | undefined {
    const [version, kid] = stored.split('.', 2);
    return version === 'v1' && kid !== undefined ? this.find(kid) : undefined;
  }
}
