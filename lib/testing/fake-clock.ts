import { TwoFactorInputError } from '../errors/index.js';
import type { Clock } from '../options/index.js';
import { assertDevelopment } from './assert-development.js';

/** The time that `advance` adds: the sum of all members. */
export interface Advance {
  readonly milliseconds?: number | undefined;
  readonly seconds?: number | undefined;
  readonly minutes?: number | undefined;
  readonly hours?: number | undefined;
}

/**
 * A clock for the option `clock` that changes only by `advance` and `set`, to test expiry without waiting.
 *
 * @example
 * ```ts
 * const clock = new FakeClock(new Date('2026-01-01T00:00:00Z'));
 * clock.advance({ minutes: 10, seconds: 1 }); // the code is expired now
 * ```
 * @publicApi
 */
export class FakeClock implements Clock {
  #now: number;

  /**
   * @param start The first time. @default the time of the system
   * @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`.
   */
  constructor(start: Date | number = Date.now()) {
    assertDevelopment('FakeClock');
    this.#now = epochMs(start);
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#now;
  }

  /**
   * Moves the clock forward.
   *
   * @throws TwoFactorInputError for a sum that is negative or no whole number of milliseconds.
   */
  advance({ milliseconds = 0, seconds = 0, minutes = 0, hours = 0 }: Advance): void {
    const passed = milliseconds + 1_000 * (seconds + 60 * (minutes + 60 * hours));
    if (!Number.isSafeInteger(passed) || passed < 0) {
      throw new TwoFactorInputError(
        'A FakeClock advances by whole milliseconds, and never back. Use set(...) to turn it back.',
      );
    }
    this.#now += passed;
  }

  /** Sets the clock, also to an earlier time, as when the clock of a machine is corrected. */
  set(moment: Date | number): void {
    this.#now = epochMs(moment);
  }
}

function epochMs(moment: Date | number): number {
  const milliseconds = moment instanceof Date ? moment.getTime() : moment;
  if (Number.isSafeInteger(milliseconds) && milliseconds >= 0) return milliseconds;
  throw new TwoFactorInputError('A FakeClock stands at a Date, or at whole epoch milliseconds.');
}
