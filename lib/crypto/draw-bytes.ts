import { randomFillSync } from 'node:crypto';

/** Random bytes, drawn when they are wanted: a generator that fails makes nothing. One draw of many costs as much as one of few. */
export function drawBytes(count: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(count));
}
