import { Injectable, Logger, type Type } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  TwoFactorEventEmitterModule,
  type TwoFactorEventEmitterOptions,
} from '../../lib/adapters/event-emitter/index.js';
import { TwoFactorEvents, type LockedEvent, type TwoFactorEvent } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startApp, type TestApp } from '../support/test-app.js';

@Injectable()
class Audit {
  readonly locked: LockedEvent[] = [];
  readonly all: TwoFactorEvent[] = [];

  @OnEvent('two-factor.locked')
  onLocked(event: LockedEvent): void {
    this.locked.push(event);
  }

  @OnEvent('two-factor.*')
  onAny(event: TwoFactorEvent): void {
    this.all.push(event);
  }
}

@Injectable()
class Broken {
  calls = 0;

  @OnEvent('two-factor.created')
  onCreated(): void {
    this.calls += 1;
    throw new Error('thrown by a decorated listener');
  }

  @OnEvent('two-factor.created', { suppressErrors: false })
  async onCreatedLoudly(): Promise<void> {
    this.calls += 1;
    throw new Error('rejected by a decorated listener');
  }
}

describe('TwoFactorEventEmitterModule', () => {
  let test: TestApp;
  let audit: Audit;
  let emitter: EventEmitter2;

  const start = async (
    options?: TwoFactorEventEmitterOptions,
    emitterOptions: Parameters<typeof EventEmitterModule.forRoot>[0] = { wildcard: true },
    ...listeners: Type[]
  ): Promise<void> => {
    test = await startApp({
      imports: [
        EventEmitterModule.forRoot(emitterOptions),
        TwoFactorEventEmitterModule.forRoot(options),
      ],
      providers: [Audit, ...listeners],
    });
    audit = test.app.get(Audit);
    emitter = test.app.get(EventEmitter2);
  };
  const spend = async (): Promise<void> => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    for (let time = 0; time < 5; time += 1) await test.confirmer.confirm(id, WRONG_CODE);
  };

  afterEach(async () => {
    vi.restoreAllMocks();
    await test.close();
  });

  it('calls decorated listeners, by name and by wildcard', async () => {
    await start();
    const told: TwoFactorEvent[] = [];
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => told.push(event));

    await spend();

    expect(audit.locked).toMatchObject([{ type: 'locked', scope: 'confirmation', until: null }]);
    expect(audit.all.map(({ type }) => type)).toEqual([
      'created',
      'sent',
      ...Array.from({ length: 5 }, () => 'attempt-failed'),
      'locked',
    ]);
    expect(audit.all).toEqual(told);
  });

  it('emits events by name where the emitter has no wildcard, and under another prefix', async () => {
    await start({ prefix: 'security:2fa:' }, {});
    const types: string[] = [];
    for (const type of ['created', 'sent', 'locked']) {
      emitter.on(`security:2fa:${type}`, (event: TwoFactorEvent) => types.push(event.type));
    }

    await spend();

    expect(types).toEqual(['created', 'sent', 'locked']);
    expect(audit.all).toEqual([]);
  });

  it('lets no listener break the call, the process, or another listener', async () => {
    await start({}, { wildcard: true }, Broken);
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const errors = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const calls: string[] = [];
    emitter.on('two-factor.created', (): unknown => Promise.reject(new Error('rejected')));
    emitter.on('two-factor.created', () => {
      throw new Error('thrown');
    });
    emitter.once('two-factor.created', () => calls.push('once'));
    emitter.on('two-factor.created', () => calls.push('after'));
    emitter.onAny((name) => calls.push(String(name)));

    const state = await test.confirmer.makeConfirmation();
    await test.confirmer.makeConfirmation();
    // Unhandled rejections are told at the end of a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', onUnhandled);

    expect(state.status).toBe('pending');
    expect(calls).toEqual(['once', 'after', 'two-factor.created', 'after', 'two-factor.created']);
    expect(test.app.get(Broken).calls).toBe(4);
    expect(audit.all).toHaveLength(2);
    expect(unhandled).toEqual([]);
    const logged = errors.mock.calls.map(([line]) => String(line));
    for (const why of ['rejected', 'thrown', 'rejected by a decorated listener']) {
      const line = `A listener of two-factor.created failed: ${why}`;
      expect(logged.filter((each) => each === line)).toHaveLength(2);
    }
    expect(logged.filter((line) => line === 'thrown by a decorated listener')).toHaveLength(2);
  });

  it('is needed because EventEmitter2 alone calls no further listener after one that throws', () => {
    const plain = new EventEmitter2({ wildcard: true });
    const later: unknown[] = [];
    plain.on('created', () => {
      throw new Error('thrown');
    });
    plain.on('created', () => later.push('told'));

    expect(() => plain.emit('created')).toThrow('thrown');
    expect(later).toEqual([]);
  });

  it('fails the boot with the command to install it when their package is missing', async () => {
    await start();
    vi.doMock('@nestjs/event-emitter', () => {
      throw new Error("Cannot find package '@nestjs/event-emitter'");
    });
    try {
      await expect(startApp({ imports: [TwoFactorEventEmitterModule.forRoot()] })).rejects.toThrow(
        'TwoFactorEventEmitterModule needs the package @nestjs/event-emitter: install it with "npm install @nestjs/event-emitter".',
      );
    } finally {
      vi.doUnmock('@nestjs/event-emitter');
    }
  });

  it('emits no event after the application is closed', async () => {
    await start();
    const events = test.app.get(TwoFactorEvents, { strict: false });
    expect(events.isObserved).toBe(true);
    const names: string[] = [];
    emitter.onAny((name) => names.push(String(name)));

    await test.app.close();

    expect(events.isObserved).toBe(false);
    events.emit(() => ({ type: 'spraying-suspected', at: new Date(), confirmations: 20 }));
    expect(names).toEqual([]);
  });
});
