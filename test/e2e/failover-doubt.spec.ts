// A message that may have arrived in spite of a failure must not be sent, and paid, twice by the next provider.
import { afterEach, describe, expect, it } from 'vitest';

import type { FailoverOptions } from '../../lib/backends/failover/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import {
  defineSender,
  functionalSenderBackend,
  SendFailure,
  TwoFactorSendError,
  type SenderDefinition,
} from '../../lib/index.js';
import { CREDENTIALS } from '../support/provider-fixtures.js';
import { deliveriesOf, rowsOf } from '../support/queued-messages.js';
import {
  endAll,
  number,
  relay,
  sendersOf,
  startFailover,
  startProviders,
  startRelays,
  startWorld,
} from './failover-fixtures.js';

afterEach(endAll);

describe('a message whose provider has not answered', () => {
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
    const app = await startFailover({ senders });
    await app.twoFactor.request({ token: number(0) });

    expect([first.calls.length, second.accepted.length]).toEqual([0, 1]);
  });

  it('asks the second after a time-out with afterTimeout', async () => {
    // The first provider must have the request before it ends.
    const { app, first, second } = await startWorld({ afterTimeout: true, timeoutMs: 3_000 });
    first.next('silent');
    await app.twoFactor.request({ token: number(0) });
    expect([first.calls.length, second.accepted.length]).toEqual([1, 1]);
  });

  it.each([
    ['refuses it clearly', false, 0],
    ['has not answered', true, 0],
    ['refuses it clearly, and so does the second', false, 1],
  ] as const)(
    'charges the next try of a message unless it certainly was not sent: the first provider %s',
    async (_, mayHaveArrived, isCharged) => {
      const failing = (failure: SendFailure): SenderDefinition => ({
        backend: functionalSenderBackend(() => {
          throw failure;
        }),
      });
      const second = { mayHaveArrived: isCharged === 0 };
      const app = await startFailover(
        {
          senders: {
            first: failing(new SendFailure('transient', 'HTTP 503', { mayHaveArrived })),
            second: failing(new SendFailure('transient', 'No answer', second)),
          },
        },
        { delivery: 'queued', worker: false },
      );
      await app.twoFactor.request({ token: number(0) });
      await deliveriesOf(app).sweep();

      expect(await rowsOf(app)).toMatchObject([{ tries: 1, is_charged: isCharged }]);
    },
  );

  it.each<[string, Error]>([
    ['a lost connection', new TypeError('fetch failed')],
    ['a failure that says so', new SendFailure('transient', 'No answer', { mayHaveArrived: true })],
  ])('asks no second sender of the application after %s of the first', async (_, thrown) => {
    const sent: string[] = [];
    const senders = {
      first: {
        backend: functionalSenderBackend(() => {
          throw thrown;
        }),
      },
      second: { backend: functionalSenderBackend(({ token }) => sent.push(token)) },
    };
    const asked = async (options: Partial<FailoverOptions>): Promise<unknown> => {
      const app = await startFailover({ senders, ...options });
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
      const [first, second] = await startRelays();
      // Only the limit that ends the wait for the first relay is short.
      const limits = {
        greetingTimeout: step === 'GREETING' ? 300 : 30_000,
        socketTimeout: how === 'silent' ? 3_000 : 30_000,
      };
      const app = await startFailover({
        senders: { first: relay(first.port, limits), second: relay(second.port, {}) },
      });
      first.fail(step, how);
      await app.twoFactor.request({ token: 'ann@example.com' }).catch(() => undefined);

      expect(second.received).toBe(mails);
      expect(first.received + second.received).toBeLessThanOrEqual(1);
    },
  );
});
