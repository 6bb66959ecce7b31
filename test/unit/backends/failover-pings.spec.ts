// Whether a provider that kept failing is down is decided by its answer to a request without a recipient. A wrong reading of that answer
// takes a provider that works away from everybody, or gives messages to one that is down.
import { performance } from 'node:perf_hooks';

import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { emailBackend, type MailTransport } from '../../../lib/backends/email/index.js';
import { failoverBackend } from '../../../lib/backends/failover/index.js';
import { SendFailure, type Delivery, type SendFunction } from '../../../lib/index.js';
import { sampleDelivery } from '../../../lib/testing/sample-delivery.js';

const THRESHOLD = 5;
const OPEN_MS = 30_000;

const refusal = (response: string): Error =>
  Object.assign(new Error(response), { response, responseCode: Number(response.slice(0, 3)) });

/** A failure that a recipient may have caused. */
const unexplained = (): SendFailure => new SendFailure('transient', 'It failed.');
/** A failure that concerns every recipient. */
const refused = (): SendFailure => new SendFailure('ours', 'no account', { concernsAll: true });

const deliveryTo = (token: string): Delivery<never> =>
  sampleDelivery(token, undefined) as unknown as Delivery<never>;

interface Chain {
  readonly isPassedOver: () => boolean;
  readonly send: (messages?: number) => Promise<void>;
  /** What the first provider throws from now on. */
  failBy: () => Error;
}

async function chainOf(ping: SendFunction['ping'], sendTimeoutMs?: number): Promise<Chain> {
  const chain = { failBy: unexplained };
  const first = Object.assign(() => Promise.reject(chain.failBy()), { ping });
  const sends = { first, second: () => undefined };
  const send = await failoverBackend({
    name: 'sms',
    verboseName: 'sms',
    options: { senders: { first: { backend: () => first }, second: { backend: () => first } } },
    sendTimeoutMs,
    resolve: async (name) => ({
      name,
      verboseName: name,
      options: undefined,
      send: sends[name as keyof typeof sends],
    }),
  });
  let people = 0;
  return Object.assign(chain, {
    isPassedOver: () => send.providers!()[0]!.isPassedOver,
    send: async (messages = 1) => {
      for (let sent = 0; sent < messages; sent += 1) {
        await send(deliveryTo(`+1${200 + (people += 1)}5550123`));
      }
    },
  });
}

async function pingOf(
  verify: NonNullable<MailTransport['verify']>,
): Promise<(signal: AbortSignal) => unknown> {
  const transport = { sendMail: async () => undefined, verify };
  const options = { transport, from: 'no-reply@acme.example' };
  const send = await emailBackend({ name: 'email', verboseName: 'email', options });
  return send.ping!;
}

describe('A provider that is pinged after failures that recipients may have caused', () => {
  const warn = vi.spyOn(Logger.prototype, 'warn');
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    vi.spyOn(performance, 'now').mockImplementation(() => Date.now());
    warn.mockReset().mockReturnValue(undefined);
  });
  afterEach(() => void vi.useRealTimers());

  it.each([
    ['421 4.7.0 Too many connections', false],
    ['432 4.3.2 Concurrent connections limit exceeded', false],
    ['454 4.7.0 Temporary authentication failure', true],
    ['421 4.3.2 Service shutting down', true],
    ['535 5.7.8 Authentication failed', true],
  ])('is passed over if its mail server answers %s: %s', async (answer, isPassedOver) => {
    const chain = await chainOf(await pingOf(() => Promise.reject(refusal(answer))));
    await chain.send(THRESHOLD);
    await vi.advanceTimersByTimeAsync(0);
    expect(chain.isPassedOver()).toBe(isPassedOver);
  });

  it('has as long to answer as for a message', async () => {
    const answers = (ms: number) => () => new Promise((resolve) => setTimeout(resolve, ms));
    for (const [ms, limit] of [
      [9_000, undefined],
      [19_000, 20_000],
    ] as const) {
      const chain = await chainOf(answers(ms), limit);
      await chain.send(THRESHOLD);
      await vi.advanceTimersByTimeAsync(ms + 1);
      expect(chain.isPassedOver(), `${ms}`).toBe(false);
    }
    const silent = await chainOf(answers(60_000));
    await silent.send(THRESHOLD);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(silent.isPassedOver()).toBe(true);
  });

  it('keeps its state, passed over or not, when it cannot be pinged, as a transport of nodemailer without verify', async () => {
    // nodemailer 7 to 10 answer so at once, and not by a promise.
    const ping = await pingOf((() => false) as unknown as NonNullable<MailTransport['verify']>);
    const chain = await chainOf(ping);
    await chain.send(THRESHOLD);
    await vi.advanceTimersByTimeAsync(0);
    expect(chain.isPassedOver()).toBe(false);

    chain.failBy = refused;
    await chain.send(THRESHOLD);
    expect(chain.isPassedOver()).toBe(true);
    chain.failBy = unexplained;
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    await chain.send();
    await vi.advanceTimersByTimeAsync(0);
    expect(chain.isPassedOver()).toBe(true);
    // The next message after the pause tries it.
    let tries = 0;
    chain.failBy = () => {
      tries += 1;
      return unexplained();
    };
    await chain.send();
    expect(tries).toBe(1);
  });

  it('is reported once for each pause, however many messages fail while every provider is down', async () => {
    const failing = Object.assign(() => Promise.reject(refused()), { ping: undefined });
    const send = await failoverBackend({
      name: 'sms',
      verboseName: 'sms',
      options: {
        senders: { first: { backend: () => failing }, second: { backend: () => failing } },
      },
      resolve: async (name) => ({ name, verboseName: name, options: undefined, send: failing }),
    });
    const sendAll = async (): Promise<void> => {
      for (let sent = 0; sent < 10; sent += 1) {
        await Promise.allSettled([send(deliveryTo('+12005550123'))]);
      }
    };
    await sendAll();
    expect(warn).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    await sendAll();
    expect(warn).toHaveBeenCalledTimes(4);
  });
});
