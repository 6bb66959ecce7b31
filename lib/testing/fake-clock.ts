import { TwoFactorInputError } from '../errors/index.js';
import type { Clock } from '../options/index.js';
import { assertDevelopment } from './assert-development.js';

/** How far `advance` goes; what is given is added up. */
export interface Advance {
  readonly milliseconds?: number | undefined;
  readonly seconds?: number | undefined;
  readonly minutes?: number | undefined;
  readonly hours?: number | undefined;
}

/**
 * A clock that stands still until it is told otherwise: for the option `clock`, to test what expires without waiting.
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
   * @param start where it stands. @default the time of the system
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
   * Goes forward.
   *
   * @throws TwoFactorInputError for anything but time that passes.
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

  /** Stands at that moment, earlier ones too: as when a machine's clock is corrected. */
  set(moment: Date | number): void {
    this.#now = epochMs(moment);
  }
}

function epochMs(moment: Date | number): number {
  const milliseconds = moment instanceof Date ? moment.getTime() : moment;
  if (Number.isSafeInteger(milliseconds) && milliseconds >= 0) return milliseconds;
  throw new TwoFactorInputError('A FakeClock stands at a Date, or at whole epoch milliseconds.');
}
