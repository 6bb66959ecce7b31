import { describe, expect, it } from 'vitest';

import { TwoFactorInputError } from '../../../lib/index.js';
import { FakeClock } from '../../../lib/testing/index.js';

const START = Date.UTC(2026, 0, 1);

describe('a fake clock', () => {
  it('stands at the time of the system, or at the given time', () => {
    const before = Date.now();
    const now = new FakeClock().now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
    expect(new FakeClock(new Date(START)).now()).toBe(START);
    expect(new FakeClock(START).now()).toBe(START);
  });

  it('goes forward by all that it is given', () => {
    const clock = new FakeClock(START);
    clock.advance({ seconds: 30 });
    expect(clock.now() - START).toBe(30_000);
    clock.advance({ hours: 1, minutes: 2, seconds: 3, milliseconds: 4 });
    expect(clock.now() - START).toBe(30_000 + 3_723_004);
    clock.advance({});
    expect(clock.now() - START).toBe(30_000 + 3_723_004);
  });

  it('can be set to any moment, earlier ones too', () => {
    const clock = new FakeClock(START);
    clock.set(START - 1);
    expect(clock.now()).toBe(START - 1);
    clock.set(new Date(START + 5));
    expect(clock.now()).toBe(START + 5);
  });

  it.each([{ seconds: -1 }, { seconds: Number.NaN }, { milliseconds: 0.5 }, { hours: Infinity }])(
    'does not advance by %j',
    (passed) => {
      const clock = new FakeClock(START);
      expect(() => clock.advance(passed)).toThrow(
        new TwoFactorInputError(
          'A FakeClock advances by whole milliseconds, and never back. Use set(...) to turn it back.',
        ),
      );
      expect(clock.now()).toBe(START);
    },
  );

  it.each([Number.NaN, -1, 0.5, new Date('no date')])('refuses the time %s', (moment) => {
    expect(() => new FakeClock(moment)).toThrow(TwoFactorInputError);
    const clock = new FakeClock(START);
    expect(() => clock.set(moment)).toThrow(TwoFactorInputError);
    expect(clock.now()).toBe(START);
  });
});
