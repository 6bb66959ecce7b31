import type { FactorRow } from '../factors/index.js';
import type { EnrolledPasskey, PasskeyCredential } from './passkey-ceremonies.js';

/** The public data of a passkey as its row holds them, under short names. */
interface StoredPasskey {
  /** The credential id in base64url. */
  readonly i: string;
  /** The COSE key in base64url. */
  readonly k: string;
  /** The transports. */
  readonly t: readonly string[];
  /** Whether a provider may copy it. */
  readonly b: boolean;
}

/**
 * The data of a passkey, which is stored sealed, so that another key in its row is no key. The counter has a column of its own, which
 * the write compares.
 */
export function passkeyData({
  id,
  publicKey,
  transports,
  isBackupEligible,
}: PasskeyCredential): string {
  const stored: StoredPasskey = { i: id, k: publicKey, t: transports, b: isBackupEligible };
  return JSON.stringify(stored);
}

/** The passkey of an active and intact factor. */
export function passkeyOf({ id: factorId, subject, data, counter }: FactorRow): EnrolledPasskey {
  const { i: id, k: publicKey, t: transports, b } = JSON.parse(data!) as StoredPasskey;
  return { factorId, subject, id, publicKey, transports, counter, isBackupEligible: b };
}
