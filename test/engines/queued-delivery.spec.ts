// A request whose transaction is rolled back must send nothing, and a message that was committed must arrive, once.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  SendFailure,
  TwoFactorEvents,
  TwoFactorRecipientError,
  type DeliveryService,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { deliveriesOf, rowsOf, startQueued } from '../support/queued-messages.js';
import type { TestApp } from '../support/test-app.js';

class Rollback extends Error {}

/** As a gateway that lost the answer of the server behind it, and asks for a wait. */
const LOST = { retryAfterSeconds: 9, mayHaveArrived: true };

describe.each(engines)('Queued messages on %s', (engine) => {
  let test: TestApp;
  let deliveries: DeliveryService;
  const events: TwoFactorEvent[] = [];

  beforeAll(async () => {
    test = await startQueued(engine);
    deliveries = deliveriesOf(test);
    test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  });
  afterEach(async () => {
    await test.dataSource.query('DELETE FROM two_factor_delivery');
    await test.dataSource.query('DELETE FROM two_factor_limit');
    test.inbox.deliveries.length = 0;
    events.length = 0;
  });
  afterAll(() => test.close());

  it('wait for a sweep, which sends each once and leaves no row', async () => {
    const answer = await test.twoFactor.request({ token: 'ann@example.com' });

    expect(answer.delivery).toBe('queued');
    expect(test.inbox.deliveries).toHaveLength(0);
    expect(await deliveries.status(answer.id)).toEqual({ delivery: 'queued' });
    expect(await rowsOf(test)).toMatchObject([{ confirmation: answer.id, number: 1, tries: 0 }]);

    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.sweep()).toBe(0);
    expect(test.inbox.deliveries.map(({ token }) => token)).toEqual(['ann@example.com']);
    expect(await rowsOf(test)).toEqual([]);
    expect(await deliveries.status(answer.id)).toEqual({ delivery: 'sent' });
    expect((await test.confirmer.confirm(answer.id, test.inbox.lastCode))[1]).toBe(true);
    expect(events.map(({ type }) => type)).toEqual(['created', 'sent', 'confirmed']);
  });

  it('send nothing when the transaction of the application is rolled back', async () => {
    const request = test.dataSource.transaction(async (manager) => {
      await test.twoFactor.request({ token: 'ann@example.com', manager });
      throw new Rollback();
    });

    await expect(request).rejects.toThrow(Rollback);
    expect(await deliveries.sweep()).toBe(0);
    expect(await rowsOf(test)).toEqual([]);
    expect(test.inbox.deliveries).toEqual([]);
    expect(events).toEqual([]);
  });

  it('are sent after the commit of the application, and charged then', async () => {
    const request = await test.dataSource.transaction((manager) =>
      test.twoFactor.request({ token: 'ann@example.com', requester: '192.0.2.1', manager }),
    );
    expect(await rowsOf(test)).toMatchObject([{ is_charged: 0, claims: 0 }]);
    expect(await test.dataSource.query('SELECT id FROM two_factor_limit')).toEqual([]);

    await deliveries.sweep();

    expect(test.inbox.deliveries).toHaveLength(1);
    const charged: unknown[] = await test.dataSource.query('SELECT id FROM two_factor_limit');
    // The rounds `unbatched` and `unlogged` repeat this file without limits.
    const hasLimits = process.env['TEST_LIMITS'] !== 'false';
    expect(charged.length > 0).toBe(hasLimits);
    expect((await test.confirmer.confirm(request.id, test.inbox.lastCode))[1]).toBe(true);
  });

  it('are written once for an idempotency key, in a transaction and outside of one', async () => {
    const key = { token: 'ann@example.com', idempotencyKey: 'a-key-of-sixteen-characters' };
    const first = await test.twoFactor.request(key);
    const second = await test.twoFactor.request(key);
    const third = await test.dataSource.transaction((manager) =>
      test.twoFactor.request({ ...key, manager }),
    );

    expect([second.id, third.id]).toEqual([first.id, first.id]);
    expect(await rowsOf(test)).toHaveLength(1);
    await deliveries.sweep();
    expect(test.inbox.deliveries).toHaveLength(1);
  });

  it('replace the message of an erased confirmation whose idempotency key comes again', async () => {
    const key = {
      token: 'ann@example.com',
      subject: 'ann',
      idempotencyKey: 'the-key-of-the-erased',
    };
    await test.twoFactor.request(key);
    await test.confirmer.erase({ subject: 'ann' });
    await test.twoFactor.request(key);

    expect(await deliveries.sweep()).toBe(1);
    expect(test.inbox.deliveries).toHaveLength(1);
  });

  it('are repeated after a pause that grows, and given up after three calls', async () => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    for (const _ of [1, 2, 3]) test.inbox.failNext(new Error('The provider does not answer.'));

    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.sweep()).toBe(0);
    expect(await rowsOf(test)).toMatchObject([{ tries: 1, is_charged: 0 }]);
    test.clock.advance(8);
    expect(await deliveries.sweep()).toBe(1);
    test.clock.advance(8);
    expect(await deliveries.sweep()).toBe(0);
    test.clock.advance(23);
    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.sweep()).toBe(0);

    expect(test.inbox.deliveries).toHaveLength(3);
    expect(await rowsOf(test)).toMatchObject([{ due_at: null, tries: 3, reason: 'send-failed' }]);
    expect(await deliveries.status(id)).toEqual({
      delivery: 'failed',
      deliveryError: 'send-failed',
    });
    expect(events.map(({ type }) => type)).toEqual([
      'created',
      'send-failed',
      'send-failed',
      'send-failed',
      'delivery-failed',
    ]);
  });

  it('wait as long as the provider asks for', async () => {
    await test.twoFactor.request({ token: 'ann@example.com' });
    test.inbox.failNext(Object.assign(new Error('Slow down.'), { retryAfterSeconds: 120 }));
    await deliveries.sweep();
    test.clock.advance(119);
    expect(await deliveries.sweep()).toBe(0);
    expect(await rowsOf(test)).toMatchObject([{ tries: 1, is_charged: 1 }]);
    test.clock.advance(1);
    expect(await deliveries.sweep()).toBe(1);
    expect(await rowsOf(test)).toEqual([]);
  });

  it.each<[string, Error, number]>([
    ['a lost answer with a wait', new SendFailure('transient', '502', LOST), 0],
    ['a plain error with a wait', Object.assign(new Error('Busy.'), { retryAfterSeconds: 9 }), 1],
    [
      'a plain error that says so and names a wait',
      Object.assign(new Error('502'), { retryAfterSeconds: 9, mayHaveArrived: true }),
      0,
    ],
    ['a failure that says nothing', new SendFailure('transient', '503'), 1],
    ['a lost connection', new TypeError('fetch failed'), 0],
  ])(
    'keep their charge for the next try after %s only when nothing was sent',
    async (_, thrown, isCharged) => {
      await test.twoFactor.request({ token: 'ann@example.com' });
      test.inbox.failNext(thrown);
      await deliveries.sweep();

      expect(await rowsOf(test)).toMatchObject([{ tries: 1, is_charged: isCharged }]);
    },
  );

  it('are not repeated when the recipient can never be reached', async () => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await deliveries.sweep();
    test.clock.advance(300);

    expect(await deliveries.sweep()).toBe(0);
    expect(await deliveries.status(id)).toEqual({
      delivery: 'failed',
      deliveryError: 'recipient-not-allowed',
    });
    expect(test.inbox.deliveries).toHaveLength(1);
  });

  it.each([
    ['cancelled', (app: TestApp, id: string) => app.confirmer.cancel(id)],
    [
      'confirmed',
      async (app: TestApp, id: string) => (await app.confirmer.check(id))[0]!.confirm(),
    ],
    ['expired', async (app: TestApp) => app.clock.advance(601)],
    [
      'locked',
      async (app: TestApp, id: string) => {
        for (let guess = 0; guess < 5; guess += 1) await app.confirmer.confirm(id, WRONG_CODE);
      },
    ],
  ] as const)('are dropped when their confirmation is %s', async (reason, end) => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    await end(test, id);

    await deliveries.sweep();

    expect(test.inbox.deliveries).toEqual([]);
    expect(await rowsOf(test)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: 'delivery-dropped', reason, sends: 1 });
  });

  it('fail when the code would expire within a minute', async () => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    test.clock.advance(541);
    await deliveries.sweep();

    expect(test.inbox.deliveries).toEqual([]);
    expect(await deliveries.status(id)).toEqual({
      delivery: 'failed',
      deliveryError: 'send-failed',
    });
  });

  it('are neither written nor counted again by a resend while they wait', async () => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });
    test.clock.advance(60);
    const again = await test.twoFactor.resend(id);

    expect(again.delivery).toBe('queued');
    expect(await rowsOf(test)).toHaveLength(1);
    expect(again.resendAt.getTime()).toBeLessThanOrEqual(test.clock.now());
    await deliveries.sweep();
    expect(test.inbox.deliveries).toHaveLength(1);

    await test.twoFactor.resend(id);
    expect(await rowsOf(test)).toMatchObject([{ number: 2 }]);
    await deliveries.sweep();
    expect(test.inbox.deliveries).toHaveLength(2);
    expect(await deliveries.status(id)).toEqual({ delivery: 'sent' });
  });

  it.each([
    ['with limits', {}],
    ['without limits', { limits: false }],
  ] as const)('are written in batches, and once for concurrent repeats, %s', async (_, more) => {
    const busy = await startQueued(engine, more);
    const idempotencyKey = 'one-key-for-all-repeats';
    const users = Array.from({ length: 30 }, (_, index) => `user${index}`);
    const made = await Promise.all([
      ...users.map((subject) =>
        busy.twoFactor.request({ token: `${subject}@example.com`, subject, purpose: 'login' }),
      ),
      ...users
        .slice(0, 8)
        .map(() =>
          busy.twoFactor.request({ token: 'ann@example.com', subject: 'ann', idempotencyKey }),
        ),
    ]);

    expect(new Set(made.map(({ id }) => id)).size).toBe(31);
    expect(await rowsOf(busy)).toHaveLength(31);
    expect(await deliveriesOf(busy).sweep()).toBe(31);
    expect(new Set(busy.inbox.deliveries.map(({ token }) => token)).size).toBe(31);
    expect(busy.inbox.deliveries).toHaveLength(31);
    await busy.close();
  });

  it('are sent once when two sweeps run concurrently, because only one can claim each row', async () => {
    for (let index = 0; index < 20; index += 1) {
      await test.twoFactor.request({ token: `ann${index}@example.com` });
    }
    const claimed = await Promise.all([deliveries.sweep(), deliveries.sweep()]);

    expect(claimed[0] + claimed[1]).toBe(20);
    expect(test.inbox.deliveries).toHaveLength(20);
  });

  it('wait until an exhausted quota has room, and fail when the code would expire first', async () => {
    const limited = await startQueued(engine, {
      limits: { sendsInTotal: { open: [{ max: 1, perSeconds: 300 }] } },
    });
    const swept = deliveriesOf(limited);
    const inTransaction = (token: string): Promise<{ id: string }> =>
      limited.dataSource.transaction((manager) => limited.twoFactor.request({ token, manager }));
    await inTransaction('ann@example.com');
    await swept.sweep();
    const second = await inTransaction('bob@example.com');
    await swept.sweep();

    expect(limited.inbox.deliveries).toHaveLength(1);
    expect(await swept.status(second.id)).toEqual({ delivery: 'queued' });
    limited.clock.advance(301);
    await swept.sweep();
    expect(limited.inbox.deliveries).toHaveLength(2);

    const third = await inTransaction('eve@example.com');
    limited.clock.advance(280);
    await limited.dataSource.query('UPDATE two_factor_limit SET ends_at = ends_at + 400000');
    await swept.sweep();
    // The wait that strangers may see is rounded up, so that the last try comes 480 seconds after the request, whatever it says.
    expect(await swept.status(third.id)).toEqual({ delivery: 'queued' });
    limited.clock.advance(199);
    expect(await swept.sweep()).toBe(0);
    limited.clock.advance(1);
    await swept.sweep();
    expect(await swept.status(third.id)).toEqual({
      delivery: 'failed',
      deliveryError: 'too-many-requests',
    });
    await limited.close();
  });

  it('are sent when their quota opens in time, although the rounded wait is longer than the code lives', async () => {
    const limited = await startQueued(engine, {
      limits: { sendsInTotal: { open: [{ max: 1, perSeconds: 600 }] } },
    });
    const inTransaction = (token: string): Promise<{ id: string }> =>
      limited.dataSource.transaction((manager) => limited.twoFactor.request({ token, manager }));
    await inTransaction('ann@example.com');
    await deliveriesOf(limited).sweep();
    limited.clock.advance(200);
    const { id } = await inTransaction('bob@example.com');
    await deliveriesOf(limited).sweep();
    expect(await deliveriesOf(limited).status(id)).toEqual({ delivery: 'queued' });

    limited.clock.advance(480);
    await deliveriesOf(limited).sweep();
    expect(await deliveriesOf(limited).status(id)).toEqual({ delivery: 'sent' });
    await limited.close();
  });

  it('put no code, no token and no subject into their rows', async () => {
    const { state } = await test.twoFactor.request({
      token: 'ann@example.com',
      subject: 'subject-of-ann',
    });
    test.inbox.failNext(new Error(`No answer for ann@example.com, ${state.code!}.`));
    await deliveries.sweep();

    const dump = JSON.stringify(await rowsOf(test));
    for (const secret of [state.code!, 'ann@example.com', 'subject-of-ann']) {
      expect(dump).not.toContain(secret);
    }
  });

  it('are purged when they failed long ago', async () => {
    await test.twoFactor.request({ token: 'ann@example.com' });
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await deliveries.sweep();
    await test.confirmer.purge();
    expect(await rowsOf(test)).toHaveLength(1);
    test.clock.advance(86_401);
    await test.confirmer.purge();

    expect(await rowsOf(test)).toEqual([]);
  });
});
