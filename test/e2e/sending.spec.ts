import { inspect } from 'node:util';

import { ConsoleLogger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  ConfirmationRecord,
  LimitRecord,
  TwoFactorInputError,
  TwoFactorKeyReusedError,
  TwoFactorNotFoundError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  type Delivery,
  type TwoFactorModuleOptions,
  type RequestedConfirmation,
  type TwoFactorStateCode,
} from '../../lib/index.js';
import { ConfirmationStore } from '../../lib/confirmation/index.js';
import { drawCanaryCode, recordOutput, WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

const TOKEN = 'ann@example.com';
const OTHER = 'eve@evil.example';
const KEY = 'order-4711/attempt-1';

const open: TestApp[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const app of open.splice(0)) await app.close();
});

async function start(
  options: TwoFactorModuleOptions = {},
  input: TestAppInput = {},
): Promise<TestApp> {
  const app = await startApp({ ...input, options });
  open.push(app);
  return app;
}

async function startWithBackend(
  send: (delivery: Delivery) => unknown,
  options: TwoFactorModuleOptions = {},
  logger = new LogRecorder(),
): Promise<TestApp> {
  return start(
    { ...options, senders: { default: { backend: () => send } } },
    { override: (builder) => builder.setLogger(logger) },
  );
}

/** The error of a call that must fail, if it is of that class. */
async function failure<E extends Error>(
  type: abstract new (...args: never[]) => E,
  work: Promise<unknown>,
): Promise<E> {
  const error: unknown = await work.then(
    () => 'nothing',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return error as E;
}

async function secondsToWait(app: TestApp, id: string): Promise<number | null> {
  return (await failure(TwoFactorTooManyRequestsError, app.twoFactor.resend(id))).retryAfterSeconds;
}

async function rows(app: TestApp): Promise<number> {
  return app.dataSource.getRepository(ConfirmationRecord).count();
}

async function rowOf(app: TestApp, id: string): Promise<ConfirmationRecord> {
  return app.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
}

/** What an application logs; also searched for codes at the end. */
class LogRecorder extends ConsoleLogger {
  readonly lines: string[] = [];

  protected override printMessages(messages: unknown[], _context = '', level = 'log'): void {
    for (const message of messages) {
      this.lines.push(`${level} ${String(message)}`);
      recordOutput('log', message);
    }
  }
}

describe('a confirmation that is sent', () => {
  it('is bound to its first token, and no other ever gets its code', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation();
    expect(state.token).toBeNull();
    expect(await app.sender.send('default', TOKEN, state)).toBe(state);
    expect(state).toMatchObject({ token: TOKEN, way: 'default' });

    const refusal = new TwoFactorInputError(
      'The confirmation is bound to another token. Make a new confirmation for each token.',
    );
    await expect(app.sender.send('default', OTHER, state)).rejects.toThrow(refusal);
    await expect(app.sender.send('default', OTHER, state.id)).rejects.toThrow(refusal);
    await expect(app.sender.send('default', TOKEN.toUpperCase(), state.id)).rejects.toThrow(
      refusal,
    );
    expect(app.inbox.deliveries.map(({ token }) => token)).toEqual([TOKEN]);
    expect(await rowOf(app, state.id)).toMatchObject({ sends: 1 });
  });

  it('is bound to the token it was made for', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation({ token: TOKEN });
    await failure(TwoFactorInputError, app.sender.send(null, OTHER, state));
    expect(app.inbox.deliveries).toHaveLength(0);
    await app.sender.send(null, TOKEN, state);
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('is bound by the database, also when the given state is older than the first message', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation();
    const [stale] = await app.confirmer.check(state.id);
    await app.sender.send(null, TOKEN, state);
    await failure(TwoFactorInputError, app.sender.send(null, OTHER, stale!));
    expect(app.inbox.deliveries.map(({ token }) => token)).toEqual([TOKEN]);
  });

  it('may go to the same token by another sender, with the same code', async () => {
    const calls: Delivery[] = [];
    const backend = () => (delivery: Delivery) => calls.push(delivery);
    const app = await start({ senders: { default: { backend }, voice: { backend } } });
    const state = await app.confirmer.makeConfirmation();
    await app.sender.send(null, TOKEN, state);
    await app.sender.send('voice', TOKEN, state);
    expect(calls.map(({ name }) => name)).toEqual(['default', 'voice']);
    expect(calls[1]?.code).toBe(calls[0]?.code);
    expect(state.way).toBe('voice');
  });

  it('keeps its context for a resend, and takes a new one when it is given', async () => {
    const app = await start({ cooldownSeconds: [5] });
    const state = await app.confirmer.makeConfirmation({ context: { locale: 'uk' } });
    await app.sender.send(null, TOKEN, state);
    app.clock.advance(5);
    await app.sender.resend(state);
    await app.sender.send(null, TOKEN, state, { locale: 'de' });
    app.clock.advance(5);
    await app.sender.resend(state.id);
    expect(app.inbox.deliveries.map(({ context }) => context)).toEqual([
      { locale: 'uk' },
      { locale: 'uk' },
      { locale: 'de' },
      { locale: 'de' },
    ]);
  });

  it('is charged maxSends messages at most, over send and resend', async () => {
    const app = await start({ maxSends: 3 });
    const { id, state } = await app.twoFactor.request({ token: TOKEN });
    await app.sender.send(null, TOKEN, state);
    app.clock.advance(60);
    await app.twoFactor.resend(id);
    app.clock.advance(300);
    for (const call of [() => app.twoFactor.resend(id), () => app.sender.send(null, TOKEN, id)]) {
      const error = await failure(TwoFactorTooManyRequestsError, call());
      expect(error.message).toBe(
        'This confirmation has been sent as often as it may. Request a new one.',
      );
      expect(error.retryAfterSeconds).toBeNull();
    }
    expect(app.inbox.deliveries).toHaveLength(3);
    expect(await rowOf(app, id)).toMatchObject({ sends: 3 });
  });

  it.each<[string, unknown, unknown]>([
    ['an unknown sender', 'fax', TOKEN],
    ['a malformed sender', 'De fault', TOKEN],
    ['no sender', undefined, TOKEN],
    ['no token', null, undefined],
    ['a number as token', null, 14_155_550_123],
    ['a list of tokens', null, [TOKEN, OTHER]],
    ['a token with a header', null, `${TOKEN}\r\nBcc: ${OTHER}`],
  ])('is not charged for %s', async (_, name, token) => {
    const app = await start();
    const { id } = await app.confirmer.makeConfirmation();
    await failure(TwoFactorInputError, app.sender.send(name as string, token as string, id));
    expect(await rowOf(app, id)).toMatchObject({ sends: 0, way: '' });
    expect(app.inbox.deliveries).toHaveLength(0);
  });

  it.each<[string, unknown]>([
    ['a text', 'uk'],
    ['a list', ['uk']],
    ['null', null],
    ['a Date inside', { at: new Date() }],
    ['too much', { text: 'x'.repeat(5_000) }],
  ])('is not charged for a context that is %s', async (_, context) => {
    const app = await start();
    const { id } = await app.confirmer.makeConfirmation();
    await failure(TwoFactorInputError, app.sender.send(null, TOKEN, id, context as never));
    expect(await rowOf(app, id)).toMatchObject({ sends: 0 });
  });

  it('is refused when it does not exist, or is no reference', async () => {
    const app = await start();
    await failure(TwoFactorNotFoundError, app.sender.send(null, TOKEN, '0'.repeat(36)));
    await failure(TwoFactorInputError, app.sender.send(null, TOKEN, 'ann'));
    const { id } = await app.confirmer.makeConfirmation();
    await failure(TwoFactorInputError, app.sender.send(null, TOKEN, { id } as never));
    expect(app.inbox.deliveries).toHaveLength(0);
  });
});

describe('the cooldown between two messages', () => {
  it('is 30, 60, 120 and 300 seconds, said in whole seconds rounded up', async () => {
    const app = await start();
    const { id, resendAt } = await app.twoFactor.request({ token: TOKEN });
    let next = resendAt;
    for (const pause of [30, 60, 120, 300]) {
      expect(next).toEqual(new Date(app.clock.now() + pause * 1_000));
      expect(await secondsToWait(app, id)).toBe(pause);
      app.clock.advance(0.001);
      expect(await secondsToWait(app, id)).toBe(pause);
      app.clock.advance(pause - 1.001);
      expect(await secondsToWait(app, id)).toBe(1);
      app.clock.advance(0.999);
      expect(await secondsToWait(app, id)).toBe(1);
      app.clock.advance(0.001);
      // 30 + 60 + 120 + 300 seconds are still within the life of the code.
      ({ resendAt: next } = await app.twoFactor.resend(id));
    }
    expect(app.inbox.deliveries).toHaveLength(5);
    expect(await secondsToWait(app, id)).toBeNull();
  });

  it('repeats its last pause', async () => {
    const app = await start({ cooldownSeconds: [5, 10] });
    const { id } = await app.twoFactor.request({ token: TOKEN });
    for (const pause of [5, 10, 10, 10]) {
      expect(await secondsToWait(app, id)).toBe(pause);
      app.clock.advance(pause);
      await app.twoFactor.resend(id);
    }
    expect(app.inbox.deliveries).toHaveLength(5);
  });

  it('is named in the message of the error, and charges nothing', async () => {
    const app = await start();
    const { id } = await app.twoFactor.request({ token: TOKEN });
    const error = await failure(TwoFactorTooManyRequestsError, app.twoFactor.resend(id));
    expect(error.message).toBe('The code can be sent again in 30 seconds.');
    expect(await rowOf(app, id)).toMatchObject({ sends: 1 });
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('is never longer than its pause when the clock is set back', async () => {
    const app = await start();
    const { id } = await app.twoFactor.request({ token: TOKEN });
    app.clock.advance(-3_600);
    expect(await secondsToWait(app, id)).toBe(30);
    const [state] = await app.confirmer.check(id);
    expect(app.twoFactor.resendAt(state!)).toEqual(new Date(app.clock.now() + 30_000));
  });

  it('holds back resend alone: send is the application’s own decision', async () => {
    const app = await start();
    const { state } = await app.twoFactor.request({ token: TOKEN });
    await app.sender.send(null, TOKEN, state);
    expect(app.inbox.deliveries).toHaveLength(2);
    expect(await secondsToWait(app, state.id)).toBe(60);
  });
});

/** Requested, with two wrong codes, and the cooldown over. */
async function tried(app: TestApp): Promise<RequestedConfirmation> {
  const made = await app.twoFactor.request({ token: TOKEN });
  for (let wrong = 0; wrong < 2; wrong += 1) {
    const [state, confirmed] = await app.confirmer.confirm(made.id, WRONG_CODE);
    expect([state?.attemptsLeft, confirmed]).toEqual([4 - wrong, false]);
  }
  app.clock.advance(30);
  return made;
}

describe('resend', () => {
  it('repeats the code, and leaves attempts and expiry as they are', async () => {
    const app = await start();
    const made = await tried(app);
    const again = await app.twoFactor.resend(made.id);
    const [first, second] = app.inbox.deliveries;
    expect(second).toMatchObject({ token: TOKEN, name: 'default', code: first?.code });
    expect(again).toMatchObject({
      id: made.id,
      expiresAt: made.expiresAt,
      attemptsLeft: 3,
      codeLength: made.codeLength,
      maskedToken: 'a***@e***.com',
    });
    const [state, confirmed] = await app.confirmer.confirm(made.id, first?.code ?? '');
    expect(confirmed).toBe(true);
    expect(state?.status).toBe('confirmed');
  });

  it('makes a new code and ends the old one under resend: rotate', async () => {
    const app = await start({ resend: 'rotate' });
    const made = await tried(app);
    const again = await app.twoFactor.resend(made.id);
    const [first, second] = app.inbox.deliveries;
    expect(second?.code).not.toBe(first?.code);
    expect(again).toMatchObject({ id: made.id, expiresAt: made.expiresAt, attemptsLeft: 3 });

    const [afterOld, byOld] = await app.confirmer.confirm(made.id, first?.code ?? '');
    expect([byOld, afterOld?.attemptsLeft]).toEqual([false, 2]);
    const [, byNew] = await app.confirmer.confirm(made.id, second?.code ?? '');
    expect(byNew).toBe(true);
  });

  it('keeps the code under resend: rotate when the application sends again itself', async () => {
    const app = await start({ resend: 'rotate' });
    const { state } = await app.twoFactor.request({ token: TOKEN });
    await app.sender.send(null, TOKEN, state);
    const [first, second] = app.inbox.deliveries;
    expect(second?.code).toBe(first?.code);
  });

  it('needs a generator that works under resend: rotate, and charges nothing when it fails', async () => {
    const codes = [drawCanaryCode];
    const app = await start({
      resend: 'rotate',
      codeGenerator: () => {
        const draw = codes.pop();
        if (!draw) throw new Error('no entropy');
        return draw();
      },
    });
    const { id } = await app.twoFactor.request({ token: TOKEN });
    app.clock.advance(30);
    await expect(app.twoFactor.resend(id)).rejects.toThrow('no entropy');
    expect(await rowOf(app, id)).toMatchObject({ sends: 1 });
    const [, confirmed] = await app.confirmer.confirm(id, app.inbox.lastCode);
    expect(confirmed).toBe(true);
  });

  it.each<[TwoFactorStateCode, (app: TestApp, id: string) => Promise<unknown>]>([
    ['expired', async (app) => app.clock.advance(570)],
    [
      'attempts-exhausted',
      async (app, id) => {
        for (let tries = 0; tries < 5; tries += 1) await app.confirmer.confirm(id, WRONG_CODE);
      },
    ],
    ['already-confirmed', async (app, id) => app.confirmer.confirm(id, app.inbox.lastCode)],
    [
      'already-used',
      async (app, id) => {
        await app.confirmer.confirm(id, app.inbox.lastCode);
        expect(await app.confirmer.use(id)).toBe(true);
      },
    ],
    ['cancelled', async (app, id) => app.confirmer.cancel(id)],
  ])('is refused as %s, and sends nothing', async (code, end) => {
    const app = await start();
    const { id, state } = await app.twoFactor.request({ token: TOKEN });
    app.clock.advance(30);
    await end(app, id);
    for (const call of [
      () => app.twoFactor.resend(id),
      () => app.sender.resend(state),
      () => app.sender.send(null, TOKEN, id),
      () => app.sender.send(null, TOKEN, state),
    ]) {
      expect((await failure(TwoFactorStateError, call())).code).toBe(code);
    }
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('is refused for what does not exist, was purged or is no reference', async () => {
    const app = await start();
    await failure(TwoFactorNotFoundError, app.twoFactor.resend('0'.repeat(36)));
    const { state } = await app.twoFactor.request({ token: TOKEN });
    app.clock.advance(600);
    expect(await app.confirmer.purge({ olderThan: new Date(app.clock.now() + 1) })).toBe(0);
    app.clock.advance(1);
    expect(await app.confirmer.purge({ olderThan: new Date(app.clock.now()) })).toBe(1);
    await failure(TwoFactorNotFoundError, app.twoFactor.resend(state));
    await failure(TwoFactorInputError, app.twoFactor.resend('ann'));
    await failure(TwoFactorInputError, app.twoFactor.resend(0 as never));
  });

  it('is refused for what was never sent', async () => {
    const app = await start();
    const { id } = await app.confirmer.makeConfirmation();
    const error = await failure(TwoFactorInputError, app.twoFactor.resend(id));
    expect(error.message).toBe(
      'The confirmation was never sent, so there is nothing to repeat. Send it first.',
    );
  });

  it('reads the row again, because the given state may be older than the last message', async () => {
    const app = await start();
    const state = await app.confirmer.makeConfirmation();
    await app.sender.send(null, TOKEN, state.id);
    app.clock.advance(30);
    await app.sender.resend(state);
    expect(app.inbox.deliveries.map(({ token }) => token)).toEqual([TOKEN, TOKEN]);
  });

  it.each(
    engines.flatMap((engine) => [
      { engine, setting: 'the default limits', options: {} },
      // Then the cooldown alone refuses. A limit may refuse before it, while other calls are charged and not yet refused.
      { engine, setting: 'no limits', options: { limits: false as const } },
    ]),
  )(
    'sends and charges one message when ten calls resend at once on $engine with $setting',
    async ({ engine, options }) => {
      const app = await start(options, { engine });
      const limits = app.dataSource.getRepository(LimitRecord);
      const { id } = await app.twoFactor.request({ token: TOKEN });
      app.clock.advance(30);
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, async () => app.twoFactor.resend(id)),
      );
      const reasons = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      expect(reasons).toHaveLength(9);
      for (const reason of reasons) {
        expect(reason).toBeInstanceOf(TwoFactorTooManyRequestsError);
        if ('limits' in options) expect(reason).toHaveProperty('retryAfterSeconds', 60);
      }
      expect(app.inbox.deliveries).toHaveLength(2);
      expect(await rowOf(app, id)).toMatchObject({ sends: 2 });
      // Of each limit of messages two are charged: what the refused calls were charged is given back.
      const charged = (await limits.find()).filter(({ amount }) => amount > 0);
      expect(charged.map(({ amount }) => amount)).toEqual(
        'limits' in options ? [] : charged.map(() => 2),
      );
      expect(charged.length > 0).toBe(!('limits' in options));
    },
  );

  it.each(engines)(
    'lets one new code live after parallel calls under rotate on %s',
    async (engine) => {
      const app = await start({ resend: 'rotate' }, { engine });
      const { id } = await app.twoFactor.request({ token: TOKEN });
      app.clock.advance(30);
      await Promise.allSettled(Array.from({ length: 10 }, async () => app.twoFactor.resend(id)));
      expect(app.inbox.deliveries).toHaveLength(2);
      const [, confirmed] = await app.confirmer.confirm(id, app.inbox.lastCode);
      expect(confirmed).toBe(true);
    },
  );

  it.each(engines)('charges each of many parallel sends on %s, up to maxSends', async (engine) => {
    const app = await start({ maxSends: 4 }, { engine });
    const { id } = await app.confirmer.makeConfirmation();
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, async () => app.sender.send(null, TOKEN, id)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(app.inbox.deliveries).toHaveLength(4);
    expect(await rowOf(app, id)).toMatchObject({ sends: 4 });
  });
});

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

  it('is charged, and shown by the state it was called with', async () => {
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
    expect(tookMs).toBeLessThan(5_000);
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

describe('request', () => {
  it('creates a confirmation, sends its code, and returns the values that a client needs', async () => {
    const app = await start();
    const made = await app.twoFactor.request({
      token: TOKEN,
      purpose: 'transfer',
      subject: 'user-1',
      details: { amount: '10.00' },
      meta: { order: 7 },
      context: { locale: 'uk' },
      ttlSeconds: 60,
    });
    expect(made).toEqual({
      id: made.state.id,
      expiresAt: new Date(app.clock.now() + 60_000),
      resendAt: new Date(app.clock.now() + 30_000),
      attemptsLeft: 5,
      codeLength: 20,
      maskedToken: 'a***@e***.com',
      method: 'code',
      methods: ['code'],
      state: made.state,
    });
    expect(made.state).toMatchObject({
      purpose: 'transfer',
      subject: 'user-1',
      details: { amount: '10.00' },
      meta: { order: 7 },
      way: 'default',
      token: TOKEN,
    });
    expect(app.inbox.deliveries[0]?.context).toEqual({ locale: 'uk' });
  });

  it.each([
    ['an unknown sender', { token: TOKEN, way: 'fax' }],
    ['a malformed token', { token: `${TOKEN}\n` }],
    ['a malformed purpose', { token: TOKEN, purpose: 'Login' }],
    ['a malformed key', { token: TOKEN, idempotencyKey: 'short' }],
    ['a malformed context', { token: TOKEN, context: [] as never }],
  ])('of %s makes nothing and sends nothing', async (_, input) => {
    const app = await start();
    await failure(TwoFactorInputError, app.twoFactor.request(input));
    expect(await rows(app)).toBe(0);
    expect(app.inbox.deliveries).toHaveLength(0);
  });

  it.each(engines)(
    'under one key makes one row and one message, 16 times at once on %s',
    async (engine) => {
      const app = await start({}, { engine });
      const made = await Promise.all(
        Array.from({ length: 16 }, async () =>
          app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY }),
        ),
      );
      expect(new Set(made.map(({ id }) => id)).size).toBe(1);
      expect(await rows(app)).toBe(1);
      expect(app.inbox.deliveries).toHaveLength(1);
      const [, confirmed] = await app.confirmer.confirm(made[0]!.id, app.inbox.lastCode);
      expect(confirmed).toBe(true);
      const late = await app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY });
      expect(late.state.status).toBe('confirmed');
      expect(app.inbox.deliveries).toHaveLength(1);
    },
  );

  it('under one key is refused for other parameters', async () => {
    const inbox: Delivery[] = [];
    const backend = () => (delivery: Delivery) => inbox.push(delivery);
    const app = await start({ senders: { default: { backend }, voice: { backend } } });
    const details = { amount: '10.00' };
    await app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY, details });
    for (const other of [
      { token: OTHER, idempotencyKey: KEY, details },
      { token: TOKEN, idempotencyKey: KEY, details, way: 'voice' },
      { token: TOKEN, idempotencyKey: KEY, details: { amount: '10000.00' } },
      { token: TOKEN, idempotencyKey: KEY },
    ]) {
      const error = await failure(TwoFactorKeyReusedError, app.twoFactor.request(other));
      expect(error.message).toBe(
        'The idempotencyKey stands for another request. Draw a new one for each request.',
      );
    }
    expect(await rows(app)).toBe(1);
    expect(inbox).toHaveLength(1);
  });

  it('under one key is another request for another purpose or subject', async () => {
    const app = await start();
    const bindings = [
      {},
      { purpose: 'login' },
      { subject: 'user-1' },
      { purpose: 'login', subject: 'user-1' },
    ];
    const ids = new Set<string>();
    for (const binding of bindings) {
      ids.add((await app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY, ...binding })).id);
    }
    expect(ids.size).toBe(4);
    expect(app.inbox.deliveries).toHaveLength(4);
  });

  it('under one key does not repeat a message that failed: resend does', async () => {
    const app = await start();
    app.inbox.failNext(new Error('gateway down'));
    const { id } = await failure(
      TwoFactorSendError,
      app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY }),
    );
    const again = await app.twoFactor.request({ token: TOKEN, idempotencyKey: KEY });
    expect(again).toMatchObject({ id, resendAt: new Date(app.clock.now() + 5_000) });
    expect(app.inbox.deliveries).toHaveLength(1);
    app.clock.advance(5);
    await app.twoFactor.resend(id);
    expect(app.inbox.deliveries).toHaveLength(2);
  });
});
