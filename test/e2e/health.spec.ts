// A health check must see that messages stay, and must not need more than one row for it.
import { setTimeout as sleep } from 'node:timers/promises';

import { HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorHealthIndicator } from '../../lib/adapters/terminus/index.js';
import { failoverBackend } from '../../lib/backends/failover/index.js';
import {
  defineSender,
  DeliveryService,
  functionalSenderBackend,
  SendFailure,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';

const suspended = (): SendFailure =>
  new SendFailure('ours', 'The account is suspended.', { concernsAll: true });

let test: TestApp;
afterEach(() => test.app.close());

const start = async (options: TwoFactorModuleOptions): Promise<void> => {
  test = await startApp({
    options,
    imports: [TerminusModule.forRoot({ logger: false })],
    providers: [TwoFactorHealthIndicator],
  });
};

/** What terminus answers, also when it throws a 503. */
async function check(maxQueueAgeSeconds?: number): Promise<HealthCheckResult['details']> {
  const health = test.app.get(HealthCheckService, { strict: false });
  const messages = test.app.get(TwoFactorHealthIndicator, { strict: false });
  try {
    const { details } = await health.check([
      () => messages.isHealthy('messages', { maxQueueAgeSeconds }),
    ]);
    return details;
  } catch (error) {
    return (error as { getResponse(): HealthCheckResult }).getResponse().details;
  }
}

describe('The health of messages', () => {
  it('is down when the oldest due message is too old, by one statement that reads one row of each class', async () => {
    await start({ delivery: 'queued', worker: false });
    await test.twoFactor.request({ token: 'ann@example.com' });
    await test.twoFactor.request({ token: 'bob@example.com' });
    test.clock.advance(60);
    const up = { messages: { status: 'up', queueAgeSeconds: 60, passedOver: [] } };
    const statements = await test.log.during(async () => {
      expect(await check()).toEqual(up);
    });
    expect(statements).toHaveLength(1);
    const reads = statements[0]!.sql.match(
      /is_bound" = [01] AND "due_at" <= \? ORDER BY "due_at" LIMIT 1\)/g,
    );
    expect(reads).toHaveLength(2);
    expect(await check(59)).toMatchObject({ messages: { status: 'down', queueAgeSeconds: 60 } });
    test.clock.advance(1);
    expect(await check()).toMatchObject({ messages: { status: 'down', queueAgeSeconds: 61 } });

    await test.app.get(DeliveryService, { strict: false }).sweep();
    expect(await check(1)).toMatchObject({ messages: { status: 'up', queueAgeSeconds: 0 } });
  });

  it('has no queue with inline, and costs no statement', async () => {
    await start({});
    const statements = await test.log.during(async () => {
      expect(await check()).toEqual({
        messages: { status: 'up', queueAgeSeconds: null, passedOver: [] },
      });
    });
    expect(statements).toEqual([]);
  });

  it('names the providers that are passed over, and is down when all of a sender are', async () => {
    const broken = functionalSenderBackend(() => {
      throw suspended();
    });
    let isSecondUp = true;
    const second = functionalSenderBackend(() => {
      if (!isSecondUp) throw suspended();
    });
    await start({
      senders: {
        default: defineSender(failoverBackend, {
          options: {
            senders: { first: { backend: broken }, second: { backend: second } },
          },
        }),
      },
    });
    const request = (name: string): Promise<unknown> =>
      test.twoFactor.request({ token: `${name}@${name}.example` }).catch(() => undefined);
    await request('ann');
    await request('bob');
    expect(await check()).toMatchObject({
      messages: { status: 'up', passedOver: ['default/first'] },
    });
    isSecondUp = false;
    await request('eve');
    await request('joe');

    expect(await check()).toMatchObject({
      messages: { status: 'down', passedOver: ['default/first', 'default/second'] },
    });
  });

  it('names a provider after the pause of its breaker, too, until it accepts a message', async () => {
    let isUp = false;
    const first = functionalSenderBackend(() => {
      if (!isUp) throw suspended();
    });
    const second = functionalSenderBackend(() => undefined);
    await start({
      senders: {
        default: defineSender(failoverBackend, {
          options: {
            senders: { first: { backend: first }, second: { backend: second } },
            breaker: { openSeconds: 1 },
          },
        }),
      },
    });
    await test.twoFactor.request({ token: 'ann@example.com' });
    await sleep(1_100);
    expect(await check()).toMatchObject({ messages: { passedOver: ['default/first'] } });
    isUp = true;
    expect(await check()).toMatchObject({ messages: { passedOver: ['default/first'] } });

    await test.twoFactor.request({ token: 'bob@example.com' });
    expect(await check()).toMatchObject({ messages: { passedOver: [] } });
  });

  it('is down, and throws nothing, when the database does not answer', async () => {
    await start({ delivery: 'queued', worker: false });
    await test.dataSource.query('DROP TABLE two_factor_delivery');

    expect(await check()).toMatchObject({ messages: { status: 'down', passedOver: [] } });
  });
});
