import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';

import { Module, type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  ConfirmerService,
  FactorService,
  recoveryCodes,
  rememberedDevices,
  totp,
  TwoFactorConfigurationError,
  TwoFactorModule,
} from 'nestjs-two-factor';
import { passkeys } from 'nestjs-two-factor/passkeys';
import { enrolledApp, enrolledPasskey, totpCode } from 'nestjs-two-factor/testing';

import { dataSource } from './database.js';
import { OutboxBackend, TestInbox } from './test-inbox.backend.js';
import { HAS_PASSKEY_LIBRARY } from './passkey-library.js';

const SUBJECT = 'ann';
const ORIGIN = 'https://acme.example';
const clock = { now: () => Date.now() };

@Module({})
class MethodsModule {
  static with(hasPasskeys: boolean): DynamicModule {
    return {
      module: MethodsModule,
      imports: [
        TypeOrmModule.forRoot(dataSource()),
        TwoFactorModule.forRoot({
          secret: randomBytes(32).toString('base64'),
          env: false,
          senders: { default: { backend: 'inbox' } },
          methods: [
            totp({ issuer: 'ACME' }),
            recoveryCodes({ count: 10 }),
            rememberedDevices({
              days: 30,
              token: (context) =>
                context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers[
                  'x-device'
                ],
            }),
            ...(hasPasskeys
              ? [passkeys({ rpName: 'ACME', rpId: 'acme.example', origins: [ORIGIN] })]
              : []),
          ],
          purposes: {
            login: {
              subject: () => SUBJECT,
              recipient: () => '+15555550100',
              methods: [
                'device',
                ...(hasPasskeys ? (['passkey'] as const) : []),
                'totp',
                'code',
                'recovery',
              ],
            },
          },
          controller: true,
        }),
      ],
      providers: [TestInbox, OutboxBackend],
    };
  }
}

/** Enrols and confirms with every method that can be, and asks the boot for the one that cannot. */
export async function methodsScenario(): Promise<void> {
  if (!HAS_PASSKEY_LIBRARY) await refusesPasskeys();
  const app = await NestFactory.create(MethodsModule.with(HAS_PASSKEY_LIBRARY), {
    logger: ['error', 'warn'],
  });
  try {
    await app.listen(0, '127.0.0.1');
    await confirmsByAll(app);
  } finally {
    await app.close();
  }
}

async function refusesPasskeys(): Promise<void> {
  const app = await NestFactory.create(MethodsModule.with(true), {
    logger: false,
    abortOnError: false,
  });
  await assert.rejects(app.init(), (error) => {
    assert.ok(error instanceof TwoFactorConfigurationError);
    assert.match(error.message, /npm install @simplewebauthn\/server/);
    return true;
  });
  // Its connections to a server would keep the process alive.
  await app.close();
}

async function confirmsByAll(app: INestApplication): Promise<void> {
  const factors = app.get(FactorService);
  const confirmer = app.get(ConfirmerService);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const post = async (route: string, body: object, device = ''): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${port}/2factor/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(device && { 'x-device': device }) },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as Answer;
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer;
  };
  const request = async (method: string, device = ''): Promise<string> => {
    const answer = await post('request-confirmation', { purpose: 'login', method }, device);
    assert.equal(answer.method, method);
    return answer.id;
  };
  const uses = async (id: string, confirmedBy: string): Promise<void> => {
    const [state] = await confirmer.check(id);
    assert.equal(state?.confirmedBy, confirmedBy);
    assert.equal(await confirmer.use(id, { purpose: 'login', subject: SUBJECT }), true);
    assert.equal(await confirmer.use(id, { purpose: 'login', subject: SUBJECT }), false);
  };

  const { secret, recoveryCodes: codes } = await enrolledApp(factors, { subject: SUBJECT, clock });
  assert.equal(codes.length, 10);

  const byApp = await request('totp');
  await post('confirm', { id: byApp, method: 'totp', code: totpCode(secret, clock) });
  await uses(byApp, 'totp');

  const byRecovery = await request('recovery');
  await post('confirm', { id: byRecovery, method: 'recovery', code: codes[0] });
  await uses(byRecovery, 'recovery');

  const { token = '' } = (await factors.remember({ confirmation: byApp })) ?? {};
  const byDevice = await request('device', token);
  await post('confirm', { id: byDevice, method: 'device' }, token);
  await uses(byDevice, 'device');

  const bySent = await request('code');
  await post('confirm', { id: bySent, code: app.get(TestInbox).lastCode });
  await uses(bySent, 'code');

  if (HAS_PASSKEY_LIBRARY) {
    const { authenticator } = await enrolledPasskey(factors, { subject: SUBJECT, origin: ORIGIN });
    const byPasskey = await request('passkey');
    const options = await confirmer.challenge(byPasskey, { method: 'passkey' });
    const response = authenticator.get(options);
    await post('confirm', { id: byPasskey, method: 'passkey', response });
    await uses(byPasskey, 'passkey');
  }
  const listed = await factors.list({ subject: SUBJECT });
  const names = listed.map(({ method }) => method).toSorted();
  assert.deepEqual(names, [
    'device',
    ...(HAS_PASSKEY_LIBRARY ? ['passkey'] : []),
    'recovery',
    'totp',
  ]);
}

interface Answer {
  readonly id: string;
  readonly method?: string;
}
