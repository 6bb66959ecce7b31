// A provider that is down, slow or refuses the account must cost no message and be told to an operator.
import { afterEach, describe, expect, it } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { failoverBackend, type FailoverOptions } from '../../lib/backends/failover/index.js';
import { telegramGatewayBackend } from '../../lib/backends/telegram/index.js';
import {
  defineSender,
  SenderBackend,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type Delivery,
  type SenderDefinition,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { describeSenderBackend } from '../../lib/testing/index.js';
import { CREDENTIALS, TWILIO, twilioError, WEBHOOK } from '../support/provider-fixtures.js';
import type { ProviderServer } from '../support/provider-server.js';
import { startApp } from '../support/test-app.js';
import {
  DOWN,
  endAll,
  ends,
  number,
  sendersOf,
  startFailover,
  startProviders,
  startWorld,
} from './failover-fixtures.js';

afterEach(endAll);

const broken = (events: readonly TwoFactorEvent[]): unknown[] =>
  events.filter(({ type }) => type === 'sender-broken');

describe('a failover', () => {
  it('asks the first provider, and the second only after a refusal of the first', async () => {
    const { app, first, second } = await startWorld();
    await app.twoFactor.request({ token: number(0) });
    expect([first.accepted.length, second.calls.length]).toEqual([1, 0]);

    first.next(DOWN);
    await app.twoFactor.request({ token: number(1) });
    expect([first.calls.length, second.accepted.length]).toEqual([2, 1]);
  });

  it('delivers by the second when the first refuses the account, and raises one event a minute', async () => {
    const { app, first, second, events, warnings } = await startWorld();
    for (const n of [0, 1]) {
      first.next(twilioError(401, 20003, `Authenticate ${number(n)}`));
      await app.twoFactor.request({ token: number(n) });
    }

    expect(second.accepted).toHaveLength(2);
    // The breaker is open since the first refusal.
    expect(first.calls).toHaveLength(1);
    expect(broken(events)).toEqual([
      {
        type: 'sender-broken',
        at: expect.any(Date) as Date,
        way: 'default',
        provider: 'twilio',
        concernsAll: true,
        reason: 'Twilio: HTTP 401, error 20003: Authenticate ***',
      },
    ]);
    expect(warnings).toEqual([
      'Sender default passes over twilio for 30 seconds.',
      expect.stringMatching(
        /^Sender default did not deliver confirmation \S+ by twilio: Twilio: HTTP 401, error 20003/,
      ),
    ]);
    expect(events.map(({ type }) => type)).not.toContain('send-failed');
  });

  it('blames the recipient only when every provider does', async () => {
    const { app, first, second, events } = await startWorld();
    const refused = twilioError(400, 21211, "Invalid 'To' Phone Number");
    first.next(refused);
    second.next({ status: 422 });
    await expect(app.twoFactor.request({ token: number(0) })).rejects.toBeInstanceOf(
      TwoFactorRecipientError,
    );

    first.next(refused);
    second.next({ status: 401 });
    await expect(app.twoFactor.request({ token: number(1) })).rejects.toBeInstanceOf(
      TwoFactorConfigurationError,
    );

    first.next(refused);
    second.next(DOWN);
    await expect(app.twoFactor.request({ token: number(2) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );
    expect(events.filter(({ type }) => type === 'send-failed')).toMatchObject([
      { isPermanent: true },
      { isPermanent: false },
      { isPermanent: false },
    ]);
    expect(broken(events)).toMatchObject([{ provider: 'gateway', concernsAll: true }]);
  });

  it('reports a region that the account does not send to, and delivers by the other provider', async () => {
    const { app, first, second, events } = await startWorld();
    first.next(
      twilioError(403, 21408, 'Permission to send an SMS has not been enabled for the region'),
    );
    await app.twoFactor.request({ token: number(0) });

    expect(second.accepted).toHaveLength(1);
    expect(broken(events)).toMatchObject([{ provider: 'twilio', concernsAll: false }]);
    await app.twoFactor.request({ token: number(1) });
    expect(first.accepted).toHaveLength(1);
  });

  it('takes classes and named backends among its providers', async () => {
    const sent: string[] = [];
    @SenderBackend('pigeon')
    class PigeonBackend implements SenderBackend<{ from: string }> {
      send({ token, options }: Delivery<{ from: string }>): void {
        sent.push(`${options.from} to ${token}`);
      }
    }
    const [first] = await startProviders();
    const { twilio } = sendersOf(first, first) as { twilio: SenderDefinition };
    const app = await startFailover({
      senders: { twilio, pigeon: defineSender(PigeonBackend, { options: { from: 'ACME' } }) },
    });
    first.next(DOWN);
    await app.twoFactor.request({ token: number(0) });
    expect(sent).toEqual([`ACME to ${number(0)}`]);
  });

  it.each<[string, (first: ProviderServer) => FailoverOptions, RegExp]>([
    [
      'one sender',
      (first) => ({ senders: { a: sendersOf(first, first)['twilio']! } }),
      /fewer than two/,
    ],
    [
      'a mailbox and a number',
      (first) => ({
        senders: {
          twilio: sendersOf(first, first)['twilio']!,
          mail: defineSender(emailBackend, {
            options: { transport: 'smtp://127.0.0.1:1', from: 'no-reply@acme.example' },
          }),
        },
      }),
      /senders to phone and email/,
    ],
    [
      'names that are numbers',
      (first) => ({
        senders: { 2: sendersOf(first, first)['twilio']!, 1: sendersOf(first, first)['gateway']! },
      }),
      /no number/,
    ],
    [
      'an unknown option',
      (first) => ({ senders: sendersOf(first, first), afterTimeouts: true }) as FailoverOptions,
      /no option afterTimeouts/,
    ],
    [
      'waits that leave the last sender no time',
      (first) => ({ senders: sendersOf(first, first), afterTimeout: true, timeoutMs: 10_000 }),
      /which is 10000 ms, and the option sendTimeoutMs ends each message after 10000 ms/,
    ],
    [
      'the default wait of four senders',
      (first) => {
        const { twilio, gateway } = sendersOf(first, first) as Record<string, SenderDefinition>;
        const senders = { one: twilio!, two: gateway!, three: twilio!, four: gateway! };
        return { senders, afterTimeout: true };
      },
      /waits 4000 ms for each of its senders but the last, which is 12000 ms/,
    ],
    [
      'a wait without afterTimeout',
      (first) => ({ senders: sendersOf(first, first), timeoutMs: 1_000 }),
      /timeoutMs, which means nothing without afterTimeout: true/,
    ],
  ])('refuses %s at boot', async (_, options, sentence) => {
    const [first] = await startProviders();
    const boot = startApp({
      options: { senders: { default: defineSender(failoverBackend, { options: options(first) }) } },
    });
    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(sentence);
  });

  describeSenderBackend(
    'failoverBackend',
    {
      open: async () => {
        const [first, second] = await startProviders();
        const entries = sendersOf(first, second);
        const send = await failoverBackend({
          name: 'sms',
          verboseName: 'sms',
          options: { senders: entries },
          resolve: async (name, { backend, options }) => {
            const create = backend as (input: object) => never;
            return {
              name,
              verboseName: name,
              options,
              send: create({ name, options, verboseName: name }),
            };
          },
        });
        return {
          first,
          second,
          send: (delivery: Delivery<FailoverOptions>) => send(delivery),
          delivered: () => [
            ...first.accepted.map(TWILIO.messageOf),
            ...second.accepted.map(WEBHOOK.messageOf),
          ],
          close: async () => {
            await first.close();
            await second.close();
            ends.length = 0;
          },
        };
      },
      token: TWILIO.token,
      failNext: ({ first, second }) => {
        first.next(DOWN);
        second.next(DOWN);
      },
      hang: ({ first }) => first.next('silent'),
      settleWithinMs: 20_000,
    },
    { describe, it },
  );
});

describe('Telegram Gateway', () => {
  it('stops the boot of an application whose codes it does not take', async () => {
    const boot = startApp({
      options: {
        senders: {
          default: defineSender(telegramGatewayBackend, {
            options: { accessToken: CREDENTIALS.accessToken },
          }),
        },
      },
    });
    await expect(boot).rejects.toThrow(/codes of 4 to 8 digits only/);
  });
});
