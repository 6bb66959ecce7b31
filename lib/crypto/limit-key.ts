import { createHmac } from 'node:crypto';

import type { DerivedKeys } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';

/** 128 bits are enough, because an attacker gains nothing from two inputs whose quotas get the same key. */
const BYTES = 16;

/**
 * The key of a quota: 32 hexadecimal characters of a keyed hash. A dump of the quotas contains no address, and without the secret a
 * list of addresses cannot be tested against it.
 */
export function limitKey(key: DerivedKeys, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key.limit)
    .update(lengthPrefixed(...parts))
    .digest();
  return digest.subarray(0, BYTES).toString('hex');
}
