import { inspect } from 'node:util';

import { describe, expect, it, vi } from 'vitest';

import {
  SendFailure,
  TwoFactorEvents,
  TwoFactorRecipientError,
  TwoFactorSendError,
  type Delivery,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { ConfirmationStore } from '../../lib/confirmation/index.js';
import {
  failure,
  LogRecorder,
  rowOf,
  secondsToWait,
  sendingApps,
  TOKEN,
} from '../support/sending.js';

const { start, startWithBackend } = sendingApps();

describe('a failed send', () => {
  it('can be resent after 5 seconds once, and after the normal cooldown from then on', async () => {
    const app = await start();
    for (let time = 0; time < 3; time += 1) app.inbox.failNext(new Error('gateway down'));

    const first = await failure(TwoFactorSendError, app.twoFactor.request({ token: TOKEN }));
    expect(first.message).toBe('Sender default did not deliver the code. It can be resent.');
    expect((first.cause as Error).message).toBe('gateway down');
    expect(first.resendAt).toEqual(new Date(app.clock.now() + 5_000));
    expect(await secondsToWait(app, first.id)).toBe(5);
    app.clock.advance(4.999);
    expect(await secondsToWait(app, first.id)).toBe(1);
    app.clock.advance(0.001);

    const second = await failure(TwoFactorSendError, app.twoFactor.resend(first.id));
    expect(second).toMatchObject({ id: first.id, resendAt: new Date(app.clock.now() + 60_000) });
    app.clock.advance(59.999);
    expect(await secondsToWait(app, first.id)).toBe(1);
    app.clock.advance(0.001);

    const third = await failure(TwoFactorSendError, app.twoFactor.resend(first.id));
    expect(third.resendAt).toEqual(new Date(app.clock.now() + 120_000));
    app.clock.advance(120);
    const sent = await app.twoFactor.resend(first.id);
    expect(sent.resendAt).toEqual(new Date(app.clock.now() + 300_000));
    expect(await rowOf(app, first.id)).toMatchObject({ sends: 4 });
    const [, confirmed] = await app.confirmer.confirm(first.id, app.inbox.lastCode);
    expect(confirmed).toBe(true);
  });

  it('is charged, and updates the state that was passed to send', async () => {
    const app = await start();
    app.inbox.failNext(new Error('gateway down'));
    const state = await app.confirmer.makeConfirmation();
    const error = await failure(TwoFactorSendError, app.sender.send(null, TOKEN, state));
    expect(state).toMatchObject({ way: 'default', token: TOKEN, status: 'pending' });
    expect(app.twoFactor.resendAt(state)).toEqual(error.resendAt);
    app.clock.advance(5);
    await app.sender.resend(state);
    expect(app.inbox.deliveries).toHaveLength(2);
  });

  it('does not wait longer than the cooldown that is configured', async () => {
    const app = await start({ cooldownSeconds: [5, 10] });
    app.inbox.failNext(new Error('gateway down'));
    const { id, resendAt } = await failure(
      TwoFactorSendError,
      app.twoFactor.request({ token: TOKEN }),
    );
    expect(resendAt).toEqual(new Date(app.clock.now() + 5_000));
    app.clock.advance(5);
    await app.twoFactor.resend(id);
    expect(await secondsToWait(app, id)).toBe(10);
  });

  it('waits for the normal cooldown when the database fails right after the provider', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation();
    const store = app.app.get(ConfirmationStore, { strict: false });
    vi.spyOn(store, 'retrySooner').mockRejectedValue(new Error('the database is down'));
    app.inbox.failNext(new Error('gateway down'));
    const error = await failure(TwoFactorSendError, app.sender.send(null, TOKEN, state));
    expect(error.resendAt).toEqual(new Date(app.clock.now() + 30_000));
    expect(await secondsToWait(app, error.id)).toBe(30);
  });

  it.each<[string, unknown, string]>([
    ['a text', 'gateway down', 'gateway down'],
    ['undefined', undefined, 'a value of type undefined was thrown'],
    ['null', null, 'a value of type object was thrown'],
    ['an object without prototype', Object.create(null), 'a value of type object was thrown'],
    [
      'an object that cannot be text',
      {
        toString: () => {
          throw new Error('worse');
        },
      },
      'a value of type object was thrown',
    ],
    [
      'an error without words',
      Object.assign(new Error(''), { code: 'ECONNREFUSED' }),
      'ECONNREFUSED',
    ],
    [
      'an error with an object for words',
      Object.assign(new TypeError(), { message: {} }),
      'TypeError',
    ],
  ])('is reported when what is thrown is %s', async (_, thrown, words) => {
    const app = await startWithBackend(() => {
      throw thrown;
    });
    const error = await failure(TwoFactorSendError, app.twoFactor.request({ token: TOKEN }));
    expect((error.cause as Error).message).toBe(words);
  });

  it('passes a permanent failure on, and keeps to the normal cooldown', async () => {
    const app = await start();
    app.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    const state = await app.confirmer.makeConfirmation();
    const error = await failure(TwoFactorRecipientError, app.sender.send(null, TOKEN, state));
    expect(error.message).toBe('No such mailbox.');
    expect(error.code).toBe('recipient-not-allowed');
    expect(await secondsToWait(app, state.id)).toBe(30);
    expect(await rowOf(app, state.id)).toMatchObject({ sends: 1 });
  });

  it('discloses no code, phone number or address in the error, its cause or the log', async () => {
    const logger = new LogRecorder();
    const token = '+1 (415) 555-0123$&';
    for (const [say, isPermanent] of [
      [({ code, token }: Delivery) => `cannot send ${code} to ${token}, ${code}!`, false],
      [({ code, token }: Delivery) => `GET /?to=${encodeURIComponent(token)}&text=${code}`, false],
      [({ code, token }: Delivery) => `\n${code.toLowerCase()}\r\n${token.toUpperCase()}`, false],
      [({ code, token }: Delivery) => JSON.stringify({ code, token }), true],
      [({ code, token }: Delivery) => `${'x'.repeat(495)}${code}${token}`, false],
    ] as const) {
      const codes: string[] = [];
      const app = await startWithBackend(
        (delivery) => {
          codes.push(delivery.code);
          const words = say(delivery);
          throw isPermanent
            ? new TwoFactorRecipientError(words)
            : Object.assign(new Error(words), { response: words, delivery });
        },
        {},
        logger,
      );
      const error = await failure(Error, app.twoFactor.request({ token }));
      const told =
        inspect(error, { depth: 9, showHidden: true }) +
        JSON.stringify(error) +
        logger.lines.join('\n');
      expect(told).toContain('***');
      for (const secret of [codes[0]!, codes[0]!.toLowerCase(), token, '555-0123', '555-0123%24']) {
        expect(told).not.toContain(secret);
      }
    }
    expect(logger.lines.join('\n')).toMatch(
      /^warn Sender default did not deliver confirmation \w{14}\.\.\.: cannot send \*{3} to \*{3}/m,
    );
  });

  it.each(['+44 (0)7400 123456', '+44 7400 123456 x5', '+44 7400 123456;ext=5'])(
    'discloses no number to which a sender spells %s',
    async (token) => {
      const logger = new LogRecorder();
      const said = (number: string): string => `The number ${number} is unreachable.`;
      for (const spelled of [String, (number: string) => number.slice(1)]) {
        const app = await startWithBackend(
          ({ state }) => {
            const answer = said(spelled(state.token!));
            throw new TwoFactorRecipientError(answer, { cause: new SendFailure('ours', answer) });
          },
          {},
          logger,
        );
        const events: TwoFactorEvent[] = [];
        app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
        const error = await failure(TwoFactorRecipientError, app.twoFactor.request({ token }));

        expect(error.message).toMatch(/^The number \+?\*{3} is unreachable\.$/);
        expect(events).toContainEqual(expect.objectContaining({ type: 'sender-broken' }));
        const told = inspect([error, events], { depth: 9 }) + logger.lines.join('\n');
        expect(told).not.toContain('7400123456');
      }
    },
  );

  it('strikes a token out whole when it begins with the code', async () => {
    const app = await startWithBackend(
      ({ code, token }) => {
        throw new Error(`no route to ${token} for ${code}`);
      },
      { codeGenerator: () => '415555' },
    );
    const error = await failure(TwoFactorSendError, app.twoFactor.request({ token: '4155550123' }));
    expect((error.cause as Error).message).toBe('no route to *** for ***');
  });

  it("quotes no more than one short line of a provider's answer", async () => {
    const logger = new LogRecorder();
    const app = await startWithBackend(
      () => {
        throw new Error(`first\r\n[Nest] 1 forged line\u2028${'x'.repeat(1_000_000)}`);
      },
      {},
      logger,
    );
    const error = await failure(TwoFactorSendError, app.twoFactor.request({ token: TOKEN }));
    const said = (error.cause as Error).message;
    expect(said).toMatch(/^first \[Nest\] 1 forged line x+\.\.\.$/);
    expect(said).toHaveLength(503);
    expect(logger.lines.join('\n').length).toBeLessThan(2_000);
  });
});

describe('a backend that hangs', () => {
  it('is given up after sendTimeoutMs, and its signal is aborted', async () => {
    const signals: AbortSignal[] = [];
    const app = await startWithBackend(
      ({ signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
      { sendTimeoutMs: 100 },
    );
    const startedAt = performance.now();
    const error = await failure(TwoFactorSendError, app.twoFactor.request({ token: TOKEN }));
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThanOrEqual(95);
    expect((error.cause as Error).message).toBe('no answer within 100 ms');
    expect(error.resendAt).toEqual(new Date(app.clock.now() + 5_000));
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toEqual(new Error('no answer within 100 ms'));
  });

  it('is reported as late, whatever it makes of the signal', async () => {
    const app = await startWithBackend(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('This operation was aborted')));
        }),
      { sendTimeoutMs: 100 },
    );
    const error = await failure(TwoFactorSendError, app.twoFactor.request({ token: TOKEN }));
    expect((error.cause as Error).message).toBe('no answer within 100 ms');
  });

  it('clears its timer when it answers in time', async () => {
    const signals: AbortSignal[] = [];
    const app = await startWithBackend(({ signal }) => signals.push(signal), {
      sendTimeoutMs: 100,
    });
    const clear = vi.spyOn(globalThis, 'clearTimeout');
    await app.twoFactor.request({ token: TOKEN });
    expect(clear).toHaveBeenCalled();
    expect(signals[0]?.aborted).toBe(false);
  });
});
