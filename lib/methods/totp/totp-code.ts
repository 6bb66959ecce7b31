import { createHmac, timingSafeEqual } from 'node:crypto';

/** The hash functions of RFC 6238, by the names of `otpauth` URIs. */
export type TotpAlgorithm = 'SHA1' | 'SHA256' | 'SHA512';

/** What an authenticator app computes its codes by. */
export interface TotpParameters {
  readonly secret: Uint8Array;
  readonly digits: number;
  /** Seconds of a time step. */
  readonly period: number;
  readonly algorithm: TotpAlgorithm;
}

const COUNTER_BYTES = 8;

/** The time step of a time in epoch milliseconds (RFC 6238 4.2). */
export function stepAt(epochMs: number, { period }: Pick<TotpParameters, 'period'>): number {
  return Math.floor(epochMs / 1_000 / period);
}

/** The code of a time step: HOTP with dynamic truncation (RFC 4226 5.3). */
export function totpCode(step: number, { secret, digits, algorithm }: TotpParameters): string {
  const counter = Buffer.alloc(COUNTER_BYTES);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac(algorithm, secret).update(counter).digest();
  const offset = mac.at(-1)! & 15;
  const number = mac.readUInt32BE(offset) & 0x7f_ff_ff_ff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/**
 * The time step of a code: that of `now`, or one beside it, because clocks differ. `null` for a wrong code and for a step that
 * is not later than `after`: each is accepted once (RFC 6238 5.2).
 */
export function matchingStep(
  code: string,
  parameters: TotpParameters,
  now: number,
  after: number,
): number | null {
  const current = stepAt(now, parameters);
  const given = Buffer.from(code);
  let found: number | null = null;
  // All time steps are compared, also after a match, so that the time of the answer does not disclose which step matched.
  for (const step of [current - 1, current, current + 1]) {
    if (step < 0) continue;
    const expected = Buffer.from(totpCode(step, parameters));
    const isEqual = expected.length === given.length && timingSafeEqual(expected, given);
    if (isEqual && step > after && found === null) found = step;
  }
  return found;
}
