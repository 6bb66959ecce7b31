import { describe, expect, it } from 'vitest';

import {
  TwoFactorInputError,
  TwoFactorKeyReusedError,
  TwoFactorSendError,
  type Delivery,
} from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { failure, KEY, OTHER, rows, sendingApps, TOKEN } from '../support/sending.js';

const { start } = sendingApps();

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
