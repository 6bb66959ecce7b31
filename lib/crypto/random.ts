import { randomFillSync } from 'node:crypto';

/** A call to the generator costs as much for 16 bytes as for some thousands. */
const STOCK_BYTES = 4_096;
const stock = Buffer.allocUnsafeSlow(STOCK_BYTES);
let used = STOCK_BYTES;

/** Writes `length` random bytes; none is ever given out twice, and none stays behind in the stock. */
export function fillRandom(target: Buffer, offset: number, length: number): void {
  if (used + length > STOCK_BYTES) {
    randomFillSync(stock);
    used = 0;
  }
  stock.copy(target, offset, used, used + length);
  stock.fill(0, used, used + length);
  used += length;
}
