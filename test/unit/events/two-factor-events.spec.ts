import { Logger } from '@nestjs/common';
import { Observable } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorEvents, type TwoFactorEvent } from '../../../lib/index.js';

const event: TwoFactorEvent = { type: 'spraying-suspected', at: new Date(0), confirmations: 20 };

describe('TwoFactorEvents', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is an observable that emits every event to every subscriber, frozen', () => {
    const events = new TwoFactorEvents();
    const told: TwoFactorEvent[] = [];
    events.subscribe((each) => told.push(each));
    events.subscribe((each) => told.push(each));
    events.emit(() => ({ ...event }));

    expect(events).toBeInstanceOf(Observable);
    expect(told).toEqual([event, event]);
    expect(Object.isFrozen(told[0])).toBe(true);
  });

  it('makes no event when there is no listener', () => {
    const make = vi.fn<() => TwoFactorEvent>(() => event);
    new TwoFactorEvents().emit(make);
    expect(make).not.toHaveBeenCalled();
  });

  it('drops an event that cannot be created, with a warning, and the call succeeds', () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const events = new TwoFactorEvents();
    events.subscribe(() => undefined);
    events.emit(() => {
      throw new Error('no facts');
    });
    expect(warn).toHaveBeenCalledWith('An event was lost: no facts');
  });

  it('completes with the module', () => {
    const events = new TwoFactorEvents();
    const complete = vi.fn<() => void>();
    events.subscribe({ complete });
    events.onApplicationShutdown();
    expect(complete).toHaveBeenCalledOnce();
  });
});
