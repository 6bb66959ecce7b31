import { randomFillSync } from 'node:crypto';

/**
 * Draws random bytes when they are needed. They are not kept in a pool, so that a failing generator fails the call that needs
 * them. One draw of many bytes costs about as much as one of few.
 */
export function drawBytes(count: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(count));
}
