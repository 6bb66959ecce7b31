import { createHmac } from 'node:crypto';

import type { RingKey } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';

/** 128 bits: nobody looks for two values of one key. */
const BYTES = 16;

/**
 * Names what a budget is kept for, without saying it: 32 hexadecimal characters of a keyed hash. A dump of the budgets
 * gives no address, and no list of addresses can be tried on it.
 */
export function limitKey(key: RingKey, ...parts: readonly string[]): string {
  const digest = createHmac('sha256', key.limit)
    .update(lengthPrefixed(...parts))
    .digest();
  return digest.subarray(0, BYTES).toString('hex');
}
