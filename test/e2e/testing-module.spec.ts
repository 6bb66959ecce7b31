import { Test } from '@nestjs/testing';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  ConfirmerService,
  DeliveryService,
  digits,
  functionalSenderBackend,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorService,
} from '../../lib/index.js';
import {
  FakeClock,
  TestInbox,
  sequentialCodes,
  TwoFactorTestingModule,
  type TwoFactorTestingOptions,
} from '../../lib/testing/index.js';
import { SECRET } from '../support/test-app.js';
import { ANN, BOB, ends, database } from './testing-fixtures.js';

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of ends.splice(0)) await end();
});

interface Kit {
  readonly inbox: TestInbox;
  readonly clock: FakeClock;
  readonly twoFactor: TwoFactorService;
  readonly confirmer: ConfirmerService;
  readonly get: <T>(token: abstract new (...args: never[]) => T) => T;
  readonly http: () => ReturnType<typeof request>;
}

async function start(options?: TwoFactorTestingOptions): Promise<Kit> {
  const module = await Test.createTestingModule({
    imports: [database(), TwoFactorTestingModule.forRoot(options)],
  }).compile();
  const app = module.createNestApplication();
  await app.init();
  ends.push(() => app.close());
  const get = <T>(token: abstract new (...args: never[]) => T): T =>
    module.get<T>(token, { strict: false });
  return {
    get,
    inbox: get(TestInbox),
    clock: get(FakeClock),
    twoFactor: get(TwoFactorService),
    confirmer: get(ConfirmerService),
    http: () => request(app.getHttpServer() as string),
  };
}

describe('TwoFactorTestingModule', () => {
  it('sends what is queued when a test sweeps, by its clock, and never by itself', async () => {
    const { inbox, clock, twoFactor, get } = await start({ delivery: 'queued' });
    const deliveries = get(DeliveryService);
    inbox.failNext();
    const { id } = await twoFactor.request({ token: ANN });
    expect(inbox.messages).toHaveLength(0);

    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.status(id)).toEqual({ delivery: 'queued' });
    // The clock stands still, so that the next try does not become due.
    expect(await deliveries.sweep()).toBe(0);
    clock.advance({ seconds: 30 });
    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.status(id)).toEqual({ delivery: 'sent' });
    expect(inbox.lastCode(ANN)).toMatch(/^\d{6}$/);
  });

  it('takes no options: the code is in the inbox, and sealed in the database', async () => {
    const { inbox, twoFactor, confirmer, get } = await start();
    const { id } = await twoFactor.request({ token: ANN });
    const code = inbox.lastCode(ANN);

    expect(code).toMatch(/^\d{6}$/);
    const rows: unknown = await get(DataSource).query('SELECT * FROM two_factor_confirmation');
    expect(rows).toHaveLength(1);
    // As words of its own: six digits are somewhere in the digits of a time.
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`\\b${code}\\b`));
    expect(JSON.stringify(rows)).not.toContain(ANN);
    expect((await confirmer.confirm(id, code))[1]).toBe(true);
    expect(await confirmer.use(id)).toBe(true);
  });

  it('lets time pass only when the test advances the clock', async () => {
    const { inbox, clock, twoFactor, confirmer } = await start();
    const first = await twoFactor.request({ token: ANN });
    clock.advance({ seconds: 599 });
    expect((await confirmer.confirm(first.id, inbox.lastCode(ANN)))[1]).toBe(true);
    clock.advance({ seconds: 301 });
    expect(await confirmer.use(first.id)).toBe(false);

    const second = await twoFactor.request({ token: ANN });
    clock.advance({ minutes: 10 });
    const [state, confirmed] = await confirmer.confirm(second.id, inbox.lastCode(ANN));
    expect([state?.status, confirmed]).toEqual(['expired', false]);
  });

  it('has the limits of the module, until it is given others', async () => {
    const six = async ({ twoFactor, confirmer }: Kit): Promise<void> => {
      for (let n = 0; n < 6; n += 1) {
        const { id } = await twoFactor.request({ token: ANN });
        await confirmer.cancel(id);
      }
    };
    await expect(six(await start())).rejects.toThrow('The limit sends-per-token is reached');
    await expect(six(await start({ limits: false }))).resolves.toBeUndefined();
  });

  it('draws the codes of the generator that it is given', async () => {
    const { inbox, twoFactor } = await start({ codeGenerator: sequentialCodes('000001') });
    for (const token of [ANN, BOB, ANN]) await twoFactor.request({ token });
    expect(inbox.messages.map(({ code }) => code)).toEqual(['000001', '000002', '000003']);
    expect(inbox.lastCode(BOB)).toBe('000002');
  });

  it('takes every other option and every extra of the module', async () => {
    const sent: string[] = [];
    const { inbox, http } = await start({
      controller: { path: 'codes' },
      codeGenerator: digits(8),
      debugCodeResponse: true,
      defaultSender: 'page',
      senders: { page: { backend: functionalSenderBackend(({ code }) => sent.push(code)) } },
    });
    const asked = await http().post('/codes/request-confirmation').send({ token: ANN }).expect(200);
    expect(asked.body).toMatchObject({ codeLength: 8, code: sent[0] });
    expect(inbox.messages).toEqual([]);
    await http()
      .post('/codes/request-confirmation')
      .send({ token: ANN, way: 'default' })
      .expect(200);
    expect(inbox.messages).toMatchObject([{ token: ANN, way: 'default' }]);
  });

  it('takes an inbox, a clock and a secret of yours', async () => {
    const [inbox, clock] = [new TestInbox(), new FakeClock(new Date('2030-01-01T00:00:00Z'))];
    const kit = await start({ inbox, clock, secrets: [SECRET] });
    expect([kit.inbox, kit.clock]).toEqual([inbox, clock]);
    const { expiresAt } = await kit.twoFactor.request({ token: ANN });
    expect(expiresAt.toISOString()).toBe('2030-01-01T00:10:00.000Z');
    expect(inbox.to(ANN)).toHaveLength(1);
  });

  it('accepts a clock of the application, and then offers no clock that a test can advance', async () => {
    const clock = { now: () => Date.UTC(2031, 0, 1) };
    const module = await Test.createTestingModule({
      imports: [database(), TwoFactorTestingModule.forRoot({ clock })],
    }).compile();
    await module.init();
    ends.push(() => module.close());
    const { expiresAt } = await module.get(TwoFactorService).request({ token: ANN });
    expect(expiresAt.toISOString()).toBe('2031-01-01T00:10:00.000Z');
    expect(() => module.get(FakeClock)).toThrow('FakeClock');
  });

  it('hears nothing of the environment', async () => {
    vi.stubEnv('TWO_FACTOR_SECRET', 'short');
    vi.stubEnv('TWO_FACTOR_TTL_SECONDS', '30');
    const { twoFactor, clock } = await start();
    const { expiresAt } = await twoFactor.request({ token: ANN });
    expect(expiresAt.getTime() - clock.now()).toBe(600_000);
  });

  it('shares no state with another one in the same process', async () => {
    const [one, other] = [await start(), await start()];
    const { id } = await one.twoFactor.request({ token: ANN });
    one.clock.advance({ hours: 1 });
    expect(other.inbox.messages).toEqual([]);
    expect(one.clock.now() - other.clock.now()).toBeGreaterThan(3_000_000);
    expect(await other.confirmer.check(id)).toEqual([null, false]);
  });

  it('lets a message fail as a provider would', async () => {
    const { inbox, clock, twoFactor } = await start();
    inbox.failNext();
    const failed: unknown = await twoFactor
      .request({ token: ANN })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TwoFactorSendError);
    inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await expect(twoFactor.request({ token: BOB })).rejects.toThrow(TwoFactorRecipientError);
    clock.advance({ seconds: 5 });
    await twoFactor.resend((failed as TwoFactorSendError).id);
    expect(inbox.messages.map(({ token }) => token)).toEqual([ANN]);
  });

  it.each(['production', undefined])('does not boot when NODE_ENV becomes %j', async (name) => {
    const module = TwoFactorTestingModule.forRoot();
    vi.stubEnv('NODE_ENV', name);
    const app = await Test.createTestingModule({ imports: [database(), module] }).compile();
    ends.push(() => app.close());
    await expect(app.init()).rejects.toThrow(
      new TwoFactorConfigurationError(
        'TwoFactorTestingModule of nestjs-two-factor/testing is for tests, and NODE_ENV is neither "development" nor ' +
          '"test": set NODE_ENV=test where tests run, and import nothing of it elsewhere.',
      ),
    );
  });
});
