// The test kit in real applications: as the module itself, and put into an application that has its own.
import { Inject, Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  ConfirmerService,
  LimitService,
  SenderBackend,
  SenderService,
  TwoFactorEvents,
  TwoFactorModule,
  TwoFactorService,
  type Delivery,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import {
  FakeClock,
  TestInbox,
  sequentialCodes,
  TwoFactorTestingModule,
  type TwoFactorTestingOverrides,
} from '../../lib/testing/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { SECRET } from '../support/test-app.js';
import { ANN, BOB, ends, database } from './testing-fixtures.js';

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of ends.splice(0)) await end();
});

/** An application that knows nothing of the kit. */
@Injectable()
class Gateway {
  readonly sent: Delivery[] = [];
}

@SenderBackend('sms', { verboseName: 'Text message' })
class SmsBackend implements SenderBackend<{ from: string }> {
  constructor(readonly gateway: Gateway) {}

  send(delivery: Delivery<{ from: string }>): void {
    this.gateway.sent.push(delivery);
  }
}

/** No option names it: it is a sender by its decorator alone. */
@SenderBackend('pager')
class PagerBackend implements SenderBackend {
  constructor(readonly gateway: Gateway) {}

  send(delivery: Delivery): void {
    this.gateway.sent.push(delivery);
  }
}

@Module({ providers: [Gateway, SmsBackend, PagerBackend], exports: [Gateway] })
class SmsModule {}

const OPTIONS = Symbol('options');

@Module({ providers: [{ provide: OPTIONS, useValue: { ttlSeconds: 120 } }], exports: [OPTIONS] })
class ConfigModule {}

@Injectable()
class Accounts {
  constructor(
    readonly twoFactor: TwoFactorService,
    @Inject(OPTIONS) readonly options: object,
  ) {}
}

function appModule(options: TwoFactorModuleOptions): new () => object {
  @Module({
    imports: [
      database(),
      SmsModule,
      ConfigModule,
      TwoFactorModule.forRootAsync({
        controller: true,
        imports: [ConfigModule],
        inject: [OPTIONS],
        useFactory: (configured: object) => ({
          secret: SECRET,
          defaultSender: 'sms',
          codeGenerator: drawCanaryCode,
          senders: {
            sms: { backend: 'sms', options: { from: 'ACME' } },
            direct: {
              backend:
                ({ name }) =>
                ({ token }) =>
                  expect.fail(`${name} sent to ${token}`),
            },
          },
          ...configured,
          ...options,
        }),
      }),
    ],
    providers: [Accounts],
  })
  class AppModule {}
  return AppModule;
}

async function startOverridden(
  overrides: TwoFactorTestingOverrides,
  options: TwoFactorModuleOptions = {},
) {
  const builder = Test.createTestingModule({ imports: [appModule(options)] });
  const module = await TwoFactorTestingModule.override(builder, overrides).compile();
  const app = module.createNestApplication();
  await app.init();
  ends.push(() => app.close());
  return {
    app,
    accounts: module.get(Accounts),
    confirmer: module.get(ConfirmerService, { strict: false }),
    sender: module.get(SenderService, { strict: false }),
    gateway: module.get(Gateway, { strict: false }),
    http: () => request(app.getHttpServer() as string),
  };
}

describe('TwoFactorTestingModule.override', () => {
  it('leads all messages of an application into the inbox, and none to a provider', async () => {
    const inbox = new TestInbox();
    const { accounts, confirmer, sender, gateway } = await startOverridden({ inbox });
    const { id } = await accounts.twoFactor.request({ token: ANN });
    for (const way of ['direct', 'pager']) {
      await sender.send(way, BOB, await confirmer.makeConfirmation({ subject: way }));
    }

    expect(inbox.messages.map(({ way, token }) => [way, token])).toEqual([
      ['sms', ANN],
      ['direct', BOB],
      ['pager', BOB],
    ]);
    expect(gateway.sent).toEqual([]);
    expect(sender.sender('sms').verboseName).toBe('Text message');
    expect((await confirmer.confirm(id, inbox.lastCode(ANN)))[1]).toBe(true);
  });

  it('turns the clock of the application, and keeps the options it has', async () => {
    const [inbox, clock] = [new TestInbox(), new FakeClock()];
    const { accounts, confirmer } = await startOverridden({ inbox, clock });
    const { id, expiresAt } = await accounts.twoFactor.request({ token: ANN });
    expect(expiresAt.getTime() - clock.now()).toBe(120_000);
    clock.advance({ seconds: 120 });
    expect((await confirmer.confirm(id, inbox.lastCode()))[0]?.status).toBe('expired');
  });

  it('keeps the clock of the system when it is given none', async () => {
    const { accounts } = await startOverridden({ inbox: new TestInbox() });
    const before = Date.now();
    const { expiresAt } = await accounts.twoFactor.request({ token: ANN });
    expect(expiresAt.getTime()).toBeGreaterThanOrEqual(before + 120_000);
    expect(expiresAt.getTime()).toBeLessThanOrEqual(Date.now() + 120_000);
  });

  it('replaces the given options and keeps the others, with a working controller', async () => {
    const inbox = new TestInbox();
    const { http } = await startOverridden({
      inbox,
      limits: false,
      codeGenerator: sequentialCodes('123456'),
    });
    for (let n = 0; n < 7; n += 1) {
      await http().post('/2factor/request-confirmation').send({ token: ANN }).expect(200);
    }
    expect(inbox.lastCode(ANN)).toBe('123462');
    await http()
      .post('/2factor/confirm')
      .send({ id: inbox.messages[0]?.id, code: '123456' })
      .expect(200);
  });

  it('finds the mistakes that the application has without it', async () => {
    const overrides = { inbox: new TestInbox() };
    await expect(startOverridden(overrides, { secret: 'short' })).rejects.toThrow(
      'Option secret has 5 bytes',
    );
    await expect(startOverridden(overrides, { defaultSender: 'fax' })).rejects.toThrow(
      'The default sender is "fax"',
    );
    await expect(
      startOverridden(overrides, { controller: true } as TwoFactorModuleOptions),
    ).rejects.toThrow('returned controller');
    await expect(
      startOverridden(overrides, { senders: { sms: { backend: 'smss' } } }),
    ).rejects.toThrow('names the backend "smss"');
  });

  it('shares no inbox with the same application under another override', async () => {
    const [one, other] = [new TestInbox(), new TestInbox()];
    const first = await startOverridden({ inbox: one });
    await startOverridden({ inbox: other });
    await first.accounts.twoFactor.request({ token: ANN });
    expect([one.messages.length, other.messages.length]).toEqual([1, 0]);
  });

  it('serves several instances of the module in one application', async () => {
    const inbox = new TestInbox();
    const clock = new FakeClock();
    const instance = (name: string) => {
      const module = TwoFactorModule.forRoot({
        isGlobal: false,
        secret: SECRET,
        codeGenerator: drawCanaryCode,
        senders: { default: { backend: () => () => expect.fail(`${name} sent`) } },
      });
      @Injectable()
      class User {
        constructor(readonly twoFactor: TwoFactorService) {}
      }
      @Module({ imports: [module], providers: [User] })
      class Feature {}
      return { User, Feature };
    };
    const instances = [instance('one'), instance('two')];
    const builder = Test.createTestingModule({
      imports: [database(), ...instances.map(({ Feature }) => Feature)],
    });
    const module = await TwoFactorTestingModule.override(builder, { inbox, clock }).compile();
    await module.init();
    ends.push(() => module.close());
    const users = instances.map(({ User }) => module.get(User, { strict: false }));
    expect(users[0]?.twoFactor).not.toBe(users[1]?.twoFactor);
    for (const { twoFactor } of users) await twoFactor.request({ token: ANN });
    expect(inbox.to(ANN)).toHaveLength(2);
  });

  it('keeps the events and the limits of the application', async () => {
    const { app, accounts } = await startOverridden({ inbox: new TestInbox() });
    const types: string[] = [];
    app.get(TwoFactorEvents, { strict: false }).subscribe(({ type }) => types.push(type));
    await accounts.twoFactor.request({ token: ANN });
    expect(types).toEqual(['created', 'sent']);
    const { count } = await app.get(LimitService, { strict: false }).failures({ token: ANN });
    expect(count).toBe(0);
  });

  it('does not boot when NODE_ENV becomes production', async () => {
    const builder = Test.createTestingModule({ imports: [appModule({})] });
    TwoFactorTestingModule.override(builder, { inbox: new TestInbox() });
    vi.stubEnv('NODE_ENV', 'production');
    const module = await builder.compile();
    ends.push(() => module.close());
    await expect(module.init()).rejects.toThrow(
      'TestInbox of nestjs-two-factor/testing is for tests, and NODE_ENV is neither "development" nor "test"',
    );
  });
});
