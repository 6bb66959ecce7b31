import { createHmac } from 'node:crypto';

import type { KeyRing, DerivedKeys } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';

function mac(key: DerivedKeys, label: string, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key.mac).update(lengthPrefixed(label, ...parts));
  return `v1.${key.kid}.${digest.digest('base64url')}`;
}

/**
 * The MAC that is stored instead of the code. It includes the confirmation's id, so that equal codes have different MACs and a MAC
 * is useless in another row. It is keyed, because the 10^6 plain hashes of 6-digit codes are computed within a second.
 */
export function codeMac(key: DerivedKeys, id: string, code: string): string {
  return mac(key, 'code', id, code);
}

/** The MACs of a code under all keys of the ring, for the comparison inside of the guarded statement. */
export function codeMacs(ring: KeyRing, id: string, code: string): string[] {
  return ring.keys.map((key) => codeMac(key, id, code));
}

/** The MAC that binds details to a confirmation. `canonical` is their canonical JSON. */
export function detailsMac(key: DerivedKeys, id: string, canonical: string): string {
  return mac(key, 'details', id, canonical);
}

/** The MACs of details under all keys of the ring. */
export function detailsMacs(ring: KeyRing, id: string, canonical: string): string[] {
  return ring.keys.map((key) => detailsMac(key, id, canonical));
}
