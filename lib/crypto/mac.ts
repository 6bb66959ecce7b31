import { createHmac } from 'node:crypto';

import type { KeyRing, RingKey } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';

function mac(key: RingKey, label: string, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key.mac).update(lengthPrefixed(label, ...parts));
  return `v1.${key.kid}.${digest.digest('base64url')}`;
}

/**
 * What is stored instead of the code: bound to the confirmation's id, so that equal codes look different and a code is
 * worthless for any other row. Keyed, because all 10^6 plain hashes of a 6-digit code fall within a second.
 */
export function codeMac(key: RingKey, id: string, code: string): string {
  return mac(key, 'code', id, code);
}

/** One candidate for each key of the ring, to be compared inside the guarded statement. */
export function codeMacs(ring: KeyRing, id: string, code: string): string[] {
  return ring.keys.map((key) => codeMac(key, id, code));
}

/** Binds the approved details to the confirmation; `canonical` is their canonical JSON. */
export function detailsMac(key: RingKey, id: string, canonical: string): string {
  return mac(key, 'details', id, canonical);
}

/** One candidate for each key of the ring. */
export function detailsMacs(ring: KeyRing, id: string, canonical: string): string[] {
  return ring.keys.map((key) => detailsMac(key, id, canonical));
}
