// An outage of one provider must be unseen by callers, one of all of them must be told and end, and a breaker must cost a provider that
// is down no more calls than it needs to find out that it is back.
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { failoverBackend } from '../../lib/backends/failover/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { webhookBackend } from '../../lib/backends/webhook/index.js';
import {
  DeliveryService,
  defineSender,
  TwoFactorEvents,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { CREDENTIALS, TWILIO, WEBHOOK } from '../support/provider-fixtures.js';
import {
  startProvider,
  type ProviderCall,
  type ProviderServer,
} from '../support/provider-server.js';

const DOWN = { status: 503, body: 'down' } as const;
const OPEN_SECONDS = 30;
const THRESHOLD = 3;
/** For the ping of a provider, and less than `OPEN_SECONDS`: the breaker must still be open when the wait ends. */
const PING_WAIT = { timeout: 20_000 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const number = (n: number): string => `+1${200 + n}5550123`;

class Outage {
  isDown = true;

  async start(usual: Parameters<typeof startProvider>[0]): Promise<ProviderServer> {
    const server = await startProvider((call) => (this.isDown ? DOWN : usual(call)));
    ends.push(() => server.close());
    return server;
  }
}

/** The calls that name a recipient. */
const messagesOf = ({ calls }: ProviderServer): ProviderCall[] =>
  calls.filter(({ body }) => body !== '');

interface World {
  readonly app: HttpTestApp;
  readonly first: ProviderServer;
  readonly second: ProviderServer;
  readonly outages: readonly [Outage, Outage];
  readonly events: TwoFactorEvent[];
}

async function startWorld(more: object = {}): Promise<World> {
  const outages = [new Outage(), new Outage()] as const;
  const first = await outages[0].start(TWILIO.usual);
  const second = await outages[1].start(WEBHOOK.usual);
  const { accountSid, authToken, messagingServiceSid, webhookKey } = CREDENTIALS;
  const app = await startHttpApp({
    options: {
      controller: true,
      senders: {
        default: defineSender(failoverBackend, {
          options: {
            breaker: { threshold: THRESHOLD, openSeconds: OPEN_SECONDS },
            senders: {
              twilio: defineSender(twilioBackend, {
                options: { accountSid, authToken, messagingServiceSid, baseUrl: first.url },
              }),
              gateway: defineSender(webhookBackend, {
                options: { url: `${second.url}/codes`, key: webhookKey },
              }),
            },
          },
        }),
      },
      ...more,
    },
  });
  ends.push(() => app.close());
  const events: TwoFactorEvent[] = [];
  app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  return { app, first, second, outages, events };
}

describe('an outage behind a failover', () => {
  it('is unseen by the caller of a queued message when the second provider delivers', async () => {
    const { app, first, second, outages, events } = await startWorld({
      delivery: 'queued',
      worker: false,
    });
    outages[1].isDown = false;
    const made = await app.post('/2factor/request-confirmation', { token: number(0) });
    await app.app.get(DeliveryService, { strict: false }).sweep();

    expect(made.status).toBe(200);
    const { id } = made.body as { id: string };
    expect((await app.post('/2factor/check', { id })).body).toMatchObject({ delivery: 'sent' });
    expect([first.calls.length, second.accepted.length]).toEqual([1, 1]);
    expect(events.map(({ type }) => type)).toEqual(['created', 'sent']);
  });

  it('of both is shown by check and raised as an event, and a resend works when one is back', async () => {
    const { app, first, second, outages, events } = await startWorld({
      delivery: 'queued',
      worker: false,
    });
    const deliveries = app.app.get(DeliveryService, { strict: false });
    const made = await app.post('/2factor/request-confirmation', { token: number(0) });
    const { id } = made.body as { id: string };
    expect((await app.post('/2factor/check', { id })).body).toMatchObject({ delivery: 'queued' });
    for (const pause of [0, 8, 31]) {
      app.clock.advance(pause);
      await deliveries.sweep();
    }

    expect((await app.post('/2factor/check', { id })).body).toMatchObject({
      status: 'pending',
      delivery: 'failed',
      deliveryError: 'send-failed',
    });
    expect([first.accepted.length, second.accepted.length]).toEqual([0, 0]);
    expect(events.at(-1)).toMatchObject({ type: 'delivery-failed', reason: 'send-failed' });
    expect(events.filter(({ type }) => type === 'sent')).toEqual([]);

    outages[1].isDown = false;
    app.clock.advance(60);
    expect((await app.post('/2factor/resend', { id })).status).toBe(200);
    await deliveries.sweep();
    expect(second.accepted).toHaveLength(1);
    expect((await app.post('/2factor/check', { id })).body).toMatchObject({ delivery: 'sent' });
    const { code } = JSON.parse(second.accepted[0]!.body) as { code: string };
    expect((await app.post('/2factor/confirm', { id, code })).body).toMatchObject({
      confirmed: true,
    });
  });

  it('costs a provider no call while its breaker is open, one while it is half open, and all of them once it is closed', async () => {
    const { app, first, second, outages } = await startWorld();
    const opened = vi.fn<() => void>();
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
      if (String(line).includes('passes over twilio')) opened();
    });
    ends.push(() => warn.mockRestore());
    const real = performance.now.bind(performance);
    let skipped = 0;
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => real() + skipped);
    ends.push(() => spy.mockRestore());
    outages[1].isDown = false;
    let people = 0;
    const send = (): Promise<unknown> => app.twoFactor.request({ token: number(people++) });
    const calls = (): [number, number] => [messagesOf(first).length, second.accepted.length];

    for (let count = 0; count < THRESHOLD; count += 1) await send();
    expect(calls()).toEqual([THRESHOLD, THRESHOLD]);
    await vi.waitFor(() => expect(opened).toHaveBeenCalledTimes(1), PING_WAIT);
    // Open.
    for (let count = 0; count < 5; count += 1) await send();
    expect(calls()).toEqual([THRESHOLD, THRESHOLD + 5]);
    // Half open: of five messages at once one tries it, and opens it again.
    skipped += OPEN_SECONDS * 1_000;
    await Promise.all(Array.from({ length: 5 }, send));
    expect(calls()).toEqual([THRESHOLD + 1, THRESHOLD + 10]);
    await vi.waitFor(() => expect(opened).toHaveBeenCalledTimes(2), PING_WAIT);
    await send();
    expect(calls()).toEqual([THRESHOLD + 1, THRESHOLD + 11]);
    // The provider is back: one message closes the breaker, and all others go by it.
    skipped += OPEN_SECONDS * 1_000;
    outages[0].isDown = false;
    for (let count = 0; count < 4; count += 1) await send();
    expect(calls()).toEqual([THRESHOLD + 5, THRESHOLD + 11]);
    expect(first.accepted).toHaveLength(4);
    // Each time before it was opened, the provider was asked whether it answers.
    expect(first.calls.length - messagesOf(first).length).toBe(2);
  });
});
