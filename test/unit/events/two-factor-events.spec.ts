import { Logger } from '@nestjs/common';
import { Observable } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorEvents, type TwoFactorEvent } from '../../../lib/index.js';

const event: TwoFactorEvent = { type: 'spraying-suspected', at: new Date(0), confirmations: 20 };

describe('TwoFactorEvents', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is an observable that tells every subscriber, frozen', () => {
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

  it('loses an event that cannot be made, and says so, without ending the call', () => {
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
    events.onModuleDestroy();
    expect(complete).toHaveBeenCalledOnce();
  });
});
