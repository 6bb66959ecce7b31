import { describe, expect, it } from 'vitest';

import {
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorTooManyRequestsError,
  type Delivery,
} from '../../lib/index.js';
import { failure, OTHER, rowOf, secondsToWait, sendingApps, TOKEN } from '../support/sending.js';

const { start } = sendingApps();

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

  it('is bound by the database to the token of its first message, also when the given state is older than that message', async () => {
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
