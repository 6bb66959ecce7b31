// The counters behind the limit of prefixes: what is lost, what is shared, and what they cost.
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  DeliveryService,
  LimitService,
  SendFailure,
  TwoFactorConfigurationError,
  TwoFactorEvents,
  TwoFactorRecipientError,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { NaiveLimits } from '../support/naive-limits.js';
import {
  closeAll,
  PREFIX,
  startPhoneApp,
  type PhoneApp,
  type PhoneAppInput,
} from '../support/phone-app.js';
import { startApp, type TestApp } from '../support/test-app.js';

const OTHER_PREFIX = '+380671';
const PERMITTED = 'accepted';
const REFUSED = [429, 'sends-per-prefix', expect.any(Number)];

describe.each(engines)('The counters of prefixes on %s', (engine) => {
  const opened: TestApp[] = [];
  const isShared = engine !== 'sqljs';

  const start = async (input: Omit<PhoneAppInput, 'engine'> = {}): Promise<PhoneApp> => {
    const app = await startPhoneApp({ engine, prefixes: { mode: 'deny' }, ...input });
    opened.push(app);
    return app;
  };
  const suspicions = (app: PhoneApp): TwoFactorEvent[] => {
    const events: TwoFactorEvent[] = [];
    app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => {
      if (event.type === 'toll-fraud-suspected') events.push(event);
    });
    return events;
  };

  afterEach(async () => {
    await closeAll(opened.splice(0));
    vi.restoreAllMocks();
  });

  it('lose no confirmed code when several instances write concurrently, which a naive counter does', async () => {
    const first = await start();
    const apps = [first];
    for (let more = isShared ? 3 : 0; more > 0; more -= 1) apps.push(await start({ first }));
    for (const app of apps) await app.proveTimes(12, PREFIX);

    // The round of the first instance comes last, because it reads what the others have written.
    await Promise.all(apps.slice(1).map((app) => app.round()));
    await first.round();

    // 12 of 12 confirmed on each instance: 12 messages are allowed, and not one more.
    const allowed = apps.length * 12 * 5 + 1;
    const outcomes = await first.askTimes(allowed - apps.length * 12, PREFIX);
    expect(new Set(outcomes)).toEqual(new Set([PERMITTED]));
    expect(await first.ask(PREFIX)).toEqual(REFUSED);

    const naive = new NaiveLimits(first.dataSource);
    await naive.install();
    await naive.spend('prefix', 1_000);
    await Promise.all(Array.from({ length: 12 }, () => naive.spend('prefix', 1_000)));
    const [row] = await first.dataSource.query<{ spent: number }[]>(
      'SELECT spent FROM naive_limit',
    );
    expect(row!.spent).toBeLessThan(13);
  });

  describe.each(isShared ? [engine] : [])('between instances on %s', () => {
    it('refuse too early, and never too late, when a crash forgets confirmed codes', async () => {
      const first = await start();
      const crashed = await start({ first });
      await crashed.proveTimes(40, PREFIX);
      // It is gone before its next round. What it has sent is counted, what was confirmed there is not.
      expect(await first.askTimes(10, PREFIX)).toEqual(Array(10).fill(PERMITTED));
      expect(await first.ask(PREFIX)).toEqual(REFUSED);
    });

    it('keep what an instance has confirmed when it is shut down in an orderly way', async () => {
      const first = await start();
      const leaving = await startPhoneApp({ engine, prefixes: { mode: 'deny' }, first });
      await leaving.proveTimes(40, PREFIX);
      await leaving.close();

      // The refusal of the 51st message reads what the other instance has written.
      expect(new Set(await first.askTimes(160, PREFIX))).toEqual(new Set([PERMITTED]));
      expect(await first.askTimes(2, PREFIX)).toEqual([PERMITTED, REFUSED]);
    });
  });

  it('report a prefix and its country once in a window, with counts and without a number, and refuse nothing in the mode record', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const app = await start({ prefixes: {} });
    const events = suspicions(app);
    await app.proveTimes(2, PREFIX);

    expect(new Set(await app.askTimes(58, PREFIX))).toEqual(new Set([PERMITTED]));
    await app.round();
    expect(new Set(await app.askTimes(5, PREFIX))).toEqual(new Set([PERMITTED]));
    await app.round();

    const facts = {
      type: 'toll-fraud-suspected',
      at: new Date(app.clock.now()),
      country: 'UA',
      limitClass: 'open',
      messages: 60,
      confirmed: 2,
      isRefused: false,
      until: new Date((Math.floor(app.clock.now() / 3_600_000) + 1) * 3_600_000),
    };
    expect(events).toEqual([
      { ...facts, prefix: PREFIX },
      { ...facts, prefix: null },
    ]);
    const lines = warn.mock.calls.map(([line]) => String(line));
    expect(lines).toEqual([
      `Of 60 messages to numbers of ${PREFIX} (UA) (open) 2 were confirmed in this window: this may be toll fraud.`,
      'Of 60 messages to numbers of UA (open) 2 were confirmed in this window: this may be toll fraud.',
    ]);
    const told = JSON.stringify(events) + lines.join('\n');
    for (const { token } of app.sms.deliveries) expect(told).not.toContain(token);
  });

  it('start from zero on every instance when a prefix is reset, and close the prefix again when the attack goes on', async () => {
    const first = await start();
    const other = isShared ? await start({ first }) : first;
    const seen = suspicions(first);
    await first.proveTimes(2, PREFIX);
    await first.round();
    await first.askTimes(48, PREFIX);
    await first.ask(OTHER_PREFIX);
    await first.round();
    for (const app of [first, other]) expect(await app.ask(PREFIX)).toEqual(REFUSED);
    const limits = first.app.get(LimitService, { strict: false });
    const logged = vi.spyOn(Logger.prototype, 'log');

    expect(await limits.resetPrefix(PREFIX)).toBe(50);
    expect(logged).toHaveBeenCalledWith(
      'The messages to +380501 were reset by hand: 50 were counted in this window.',
    );
    // Nothing is left of the codes that were confirmed before, so that 50 messages are allowed, and not one more.
    expect(new Set(await other.askTimes(25, PREFIX))).toEqual(new Set([PERMITTED]));
    expect(new Set(await first.askTimes(25, PREFIX))).toEqual(new Set([PERMITTED]));
    for (const app of [first, other]) expect(await app.ask(PREFIX)).toEqual(REFUSED);
    await first.round();
    expect(seen.filter((event) => 'prefix' in event && event.prefix === PREFIX)).toHaveLength(2);
    // Other prefixes are counted on, and one that was not counted is not reset.
    expect(await limits.resetPrefix(OTHER_PREFIX)).toBe(1);
    expect(await limits.resetPrefix('+3805')).toBe(0);
  });

  it.each(['380501', '+', '+38050 1', '+380501000000000000', 380501, undefined])(
    'are not reset for %s, which is no prefix',
    async (prefix) => {
      const limits = (await start()).app.get(LimitService, { strict: false });
      await expect(limits.resetPrefix(prefix as string)).rejects.toThrow(
        'prefix is not a calling code',
      );
    },
  );

  it('refuse no country, however many of its prefixes are attacked, and report it', async () => {
    const app = await start();
    const events = suspicions(app);
    for (let area = 0; area < 8; area += 1) {
      expect(new Set(await app.askTimes(10, `+38067${area}`))).toEqual(new Set([PERMITTED]));
    }
    await app.round();

    expect(events).toMatchObject([{ prefix: null, country: 'UA', messages: 80, isRefused: false }]);
  });

  it('take no outage of a provider for fraud', async () => {
    const app = await start();
    const events = suspicions(app);
    for (let time = 0; time < 60; time += 1) {
      app.sms.failNext(new SendFailure('rate-limited', 'The provider is busy.'));
      await app.ask(PREFIX).catch(() => undefined);
    }
    await app.round();

    expect(await app.ask(PREFIX)).toBe(PERMITTED);
    expect(events).toEqual([]);
  });

  it.each<[string, Error]>([
    ['recipients that the provider refuses', new TwoFactorRecipientError('A land line.')],
    ['a wrong configuration', new TwoFactorConfigurationError('No account.')],
  ])('close no prefix for %s, inline and queued', async (_, thrown) => {
    for (const delivery of ['inline', 'queued'] as const) {
      const app = await start({ options: { delivery, worker: false } });
      const deliveries = app.app.get(DeliveryService, { strict: false });
      const events = suspicions(app);
      for (let time = 0; time < 60; time += 1) {
        app.sms.failNext(thrown);
        await app.ask(PREFIX).catch(() => undefined);
        if (delivery === 'queued') expect(await deliveries.sweep()).toBe(1);
      }
      await app.round();

      expect(app.sms.deliveries).toHaveLength(60);
      expect(await app.ask(PREFIX)).toBe(PERMITTED);
      expect(events).toEqual([]);
    }
  });

  it.each<[string, (app: PhoneApp) => void]>([
    ['that no worker sent in time', (app) => app.clock.advance(541)],
    ['whose codes expired meanwhile', (app) => app.clock.advance(601)],
  ])('close no prefix for queued messages %s', async (_, wait) => {
    const app = await start({ options: { delivery: 'queued', worker: false } });
    const events = suspicions(app);
    expect(new Set(await app.askTimes(50, PREFIX))).toEqual(new Set([PERMITTED]));
    expect(await app.ask(PREFIX)).toEqual(REFUSED);
    wait(app);
    // The workers are back.
    expect(await app.app.get(DeliveryService, { strict: false }).sweep()).toBe(50);
    await app.round();

    expect(app.sms.deliveries).toEqual([]);
    expect(await app.ask(PREFIX)).toBe(PERMITTED);
    expect(events).toEqual([]);
  });

  it('cost no statement of a request or a confirmation, and two in a round that has something to do', async () => {
    const plain = await startApp({ engine });
    opened.push(plain);
    const app = await start();
    const cycle = async (one: TestApp, token: string): Promise<number[]> => {
      let id = '';
      const requested = await one.log.during(async () => {
        ({ id } = await one.twoFactor.request({ token }));
      });
      const inbox = 'sms' in one ? (one as PhoneApp).sms : one.inbox;
      const { code } = inbox.deliveries.at(-1)!;
      return [
        requested.length,
        (await one.log.during(() => one.confirmer.confirm(id, code))).length,
      ];
    };
    const token = '+380501234567';

    expect(await cycle(app, token)).toEqual(await cycle(plain, token));
    expect((await app.log.during(() => app.round())).length).toBe(2);
    expect((await app.log.during(() => app.round())).length).toBe(0);
    const [sms] = app.sms.deliveries;
    expect(sms!.token).toBe(token);
  });
});
