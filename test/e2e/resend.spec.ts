import { describe, expect, it } from 'vitest';

import {
  LimitRecord,
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  type RequestedConfirmation,
  type TwoFactorStateCode,
} from '../../lib/index.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { failure, rowOf, sendingApps, TOKEN } from '../support/sending.js';
import type { TestApp } from '../support/test-app.js';

const { start } = sendingApps();

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
