// A provider that is down, slow or refuses the account must cost no message, pay none twice, and be told to an operator; no stranger
// may cause that by a choice of recipients.
import { setTimeout as sleep } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { failoverBackend, type FailoverOptions } from '../../lib/backends/failover/index.js';
import { telegramGatewayBackend } from '../../lib/backends/telegram/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { webhookBackend } from '../../lib/backends/webhook/index.js';
import {
  defineSender,
  functionalSenderBackend,
  SenderBackend,
  SendFailure,
  TwoFactorConfigurationError,
  TwoFactorEvents,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type Delivery,
  type SenderDefinition,
  type TwoFactorEvent,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { describeSenderBackend } from '../../lib/testing/index.js';
import { CREDENTIALS, TWILIO, twilioError, WEBHOOK } from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer, type Reply } from '../support/provider-server.js';
import {
  startScriptedSmtpServer,
  type ScriptedSmtpServer,
} from '../support/scripted-smtp-server.js';
import { startApp, type TestApp } from '../support/test-app.js';

const DOWN: Reply = { status: 503, body: 'down' };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const number = (n: number): string => `+1${200 + n}5550123`;

interface World {
  readonly app: TestApp;
  /** The first provider, Twilio. */
  readonly first: ProviderServer;
  /** The second provider, a webhook. */
  readonly second: ProviderServer;
  readonly events: TwoFactorEvent[];
  readonly warnings: string[];
}

async function startProviders(): Promise<[ProviderServer, ProviderServer]> {
  const servers: [ProviderServer, ProviderServer] = [
    await startProvider(TWILIO.usual),
    await startProvider(WEBHOOK.usual),
  ];
  for (const server of servers) ends.push(() => server.close());
  return servers;
}

function sendersOf(first: ProviderServer, second: ProviderServer): FailoverOptions['senders'] {
  const { accountSid, authToken, messagingServiceSid, webhookKey } = CREDENTIALS;
  return {
    twilio: defineSender(twilioBackend, {
      options: { accountSid, authToken, messagingServiceSid, baseUrl: first.url },
    }),
    gateway: defineSender(webhookBackend, {
      options: { url: `${second.url}/codes`, key: webhookKey },
    }),
  };
}

async function startWorld(
  options: Partial<FailoverOptions> = {},
  more: TwoFactorModuleOptions = {},
): Promise<World> {
  const [first, second] = await startProviders();
  const warnings: string[] = [];
  const spy = vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
    warnings.push(String(line));
  });
  ends.push(() => spy.mockRestore());
  const app = await startApp({
    options: {
      senders: {
        default: defineSender(failoverBackend, {
          options: { senders: sendersOf(first, second), ...options },
        }),
      },
      ...more,
    },
  });
  ends.push(() => app.close());
  const events: TwoFactorEvent[] = [];
  app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  return { app, first, second, events, warnings };
}

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

  it('asks a provider again after a message that it never answered while the breaker tried it', async () => {
    let mode: 'down' | 'silent' | 'well' = 'down';
    const accepted: string[] = [];
    const first = async (): Promise<void> => {
      if (mode === 'down') throw new SendFailure('ours', 'closed', { concernsAll: true });
      // It ignores the signal.
      if (mode === 'silent') await new Promise<never>(() => undefined);
      accepted.push('first');
    };
    const second = async (): Promise<void> => {
      accepted.push('second');
    };
    const app = await startApp({
      options: {
        sendTimeoutMs: 1_000,
        senders: {
          default: defineSender(failoverBackend, {
            options: {
              breaker: { openSeconds: 1 },
              senders: { first: { backend: () => first }, second: { backend: () => second } },
            },
          }),
        },
      },
    });
    ends.push(() => app.close());
    await app.twoFactor.request({ token: number(0) });
    await sleep(1_100);
    mode = 'silent';
    await expect(app.twoFactor.request({ token: number(1) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );

    mode = 'well';
    await sleep(1_100);
    await app.twoFactor.request({ token: number(2) });

    expect(accepted).toEqual(['second', 'first']);
  });

  it('sends no second message when the first may have arrived', async () => {
    const { app, first, second } = await startWorld();
    first.next('broken');
    await expect(app.twoFactor.request({ token: number(0) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );
    expect(second.calls).toHaveLength(0);
  });

  it('asks the second when the compose of the first throws, because nothing was sent', async () => {
    const [first, second] = await startProviders();
    const { accountSid, authToken, messagingServiceSid } = CREDENTIALS;
    const senders = {
      ...sendersOf(first, second),
      twilio: defineSender(twilioBackend, {
        options: {
          accountSid,
          authToken,
          messagingServiceSid,
          baseUrl: first.url,
          compose: () => {
            throw new TypeError('No template.');
          },
        },
      }),
    };
    const app = await startApp({
      options: { senders: { default: defineSender(failoverBackend, { options: { senders } }) } },
    });
    ends.push(() => app.close());
    await app.twoFactor.request({ token: number(0) });

    expect([first.calls.length, second.accepted.length]).toEqual([0, 1]);
  });

  it('asks the second after a time-out with afterTimeout', async () => {
    const { app, first, second } = await startWorld({ afterTimeout: true, timeoutMs: 200 });
    first.next('silent');
    await app.twoFactor.request({ token: number(0) });
    expect([first.calls.length, second.accepted.length]).toEqual([1, 1]);
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

  it('skips a provider that fails for several number prefixes, but not one that fails for a single prefix that a stranger repeats', async () => {
    const { app, first, warnings } = await startWorld(
      { breaker: { threshold: 3 } },
      { limits: false },
    );
    const send = async (token: string): Promise<void> => {
      first.next(DOWN);
      await app.twoFactor.request({ token });
    };
    for (let n = 0; n < 6; n += 1) await send(`+1555555010${n}`);
    expect(first.calls).toHaveLength(6);

    for (const n of [1, 2]) await send(number(n));
    expect(first.calls).toHaveLength(8);
    expect(warnings).toContain('Sender default passes over twilio for 30 seconds.');
    await app.twoFactor.request({ token: number(3) });
    expect(first.calls).toHaveLength(8);
  });

  it('skips no provider that fails for one number in five spellings, which the naive twin takes for five prefixes', async () => {
    const { app, first } = await startWorld({ breaker: { threshold: 5 } }, { limits: false });
    const spellings = [
      '+15555550100',
      '+1 555 555 0100',
      '+1-555-5550100',
      '+1.555.555.0100',
      '+ 1 5555550100',
    ];
    for (const token of spellings) {
      first.next(DOWN);
      await app.twoFactor.request({ token });
    }
    expect(first.calls).toHaveLength(5);
    await app.twoFactor.request({ token: number(0) });

    expect(first.accepted).toHaveLength(1);
    expect(new Set(spellings.map((token) => token.slice(1, 6))).size).toBe(5);
  });

  it.each<[string, Error]>([
    ['a lost connection', new TypeError('fetch failed')],
    ['a failure that says so', new SendFailure('transient', 'No answer', { mayHaveArrived: true })],
  ])('asks no second sender of the application after %s of the first', async (_, thrown) => {
    const sent: string[] = [];
    const asked = async (options: Partial<FailoverOptions>): Promise<unknown> => {
      const app = await startApp({
        options: {
          senders: {
            default: defineSender(failoverBackend, {
              options: {
                senders: {
                  first: {
                    backend: functionalSenderBackend(() => {
                      throw thrown;
                    }),
                  },
                  second: { backend: functionalSenderBackend(({ token }) => sent.push(token)) },
                },
                ...options,
              },
            }),
          },
        },
      });
      ends.push(() => app.close());
      return app.twoFactor.request({ token: number(0) }).catch((error: unknown) => error);
    };

    expect(await asked({})).toBeInstanceOf(TwoFactorSendError);
    expect(sent).toEqual([]);
    await asked({ afterTimeout: true });
    expect(sent).toEqual([number(0)]);
  });

  it.each([
    ['END', 'silent', 0],
    ['END', 'gone', 0],
    ['RCPT', 'silent', 0],
    ['GREETING', 'silent', 1],
  ] as const)(
    'sends no second mail when the first relay is at %s and %s, unless it certainly has none',
    async (step, how, mails) => {
      const [first, second] = [await startScriptedSmtpServer(), await startScriptedSmtpServer()];
      ends.push(
        () => first.close(),
        () => second.close(),
      );
      const relay = ({ port }: ScriptedSmtpServer): SenderDefinition =>
        defineSender(emailBackend, {
          options: {
            transport: { host: '127.0.0.1', port, greetingTimeout: 300, socketTimeout: 900 },
            from: 'no-reply@acme.example',
          },
        });
      const senders = { first: relay(first), second: relay(second) };
      const app = await startApp({
        options: { senders: { default: defineSender(failoverBackend, { options: { senders } }) } },
      });
      ends.push(() => app.close());
      first.fail(step, how);
      await app.twoFactor.request({ token: 'ann@example.com' }).catch(() => undefined);

      expect(second.received).toBe(mails);
      expect(first.received + second.received).toBeLessThanOrEqual(1);
    },
  );

  it('skips no relay that a stranger makes silent by mail servers of one domain', async () => {
    const [first, second] = [await startScriptedSmtpServer(), await startScriptedSmtpServer()];
    ends.push(
      () => first.close(),
      () => second.close(),
    );
    const relay = ({ port }: ScriptedSmtpServer): SenderDefinition =>
      defineSender(emailBackend, {
        options: {
          transport: { host: '127.0.0.1', port, socketTimeout: 100 },
          from: 'no-reply@acme.example',
        },
      });
    const senders = { first: relay(first), second: relay(second) };
    const app = await startApp({
      options: {
        limits: false,
        senders: { default: defineSender(failoverBackend, { options: { senders } }) },
      },
    });
    ends.push(() => app.close());
    first.fail('RCPT', 'silent');
    for (let n = 0; n < 6; n += 1) {
      await app.twoFactor.request({ token: `eve@mx${n}.evil.example` }).catch(() => undefined);
    }
    first.recover();
    await app.twoFactor.request({ token: 'ann@example.com' });

    expect([first.received, second.received]).toEqual([1, 0]);
  });

  it('calls a skipped provider all the same when the others fail, so that no message is lost', async () => {
    const { app, first, second } = await startWorld();
    first.next(twilioError(401, 20003, 'Authenticate'));
    await app.twoFactor.request({ token: number(0) });
    first.next(DOWN);
    second.next(DOWN);
    await expect(app.twoFactor.request({ token: number(1) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );
    second.next(DOWN);
    await app.twoFactor.request({ token: number(2) });
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
    const app = await startApp({
      options: {
        senders: {
          default: defineSender(failoverBackend, {
            options: {
              senders: {
                twilio,
                pigeon: defineSender(PigeonBackend, { options: { from: 'ACME' } }),
              },
            },
          }),
        },
      },
    });
    ends.push(() => app.close());
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
