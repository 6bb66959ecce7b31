// A deployment stops instances all day: none of them may lose a message, send one twice, or hang.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { DeliveryStore, DeliveryWorker } from '../../lib/delivery/index.js';
import {
  DeliveryService,
  functionalSenderBackend,
  TwoFactorEvents,
  type SendFunction,
} from '../../lib/index.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';

interface QueuedRow {
  readonly due_at: string | number;
  readonly claims: number;
  readonly tries: number;
  readonly is_charged: number;
}

/** Two applications of one process cannot share the database of sql.js, which lives in memory. */
const shared = engines.filter((engine) => engine !== 'sqljs');

describe.each(shared)('An instance that stops, on %s', (engine) => {
  let database: TestDatabase;
  let observer: TestApp;
  const begun: string[] = [];
  const ends: (() => void)[] = [];

  afterEach(async () => {
    vi.restoreAllMocks();
    await observer.app.close();
    await database.drop();
    begun.length = 0;
    ends.length = 0;
  });

  const start = async (send: SendFunction, more: object = {}): Promise<TestApp> => {
    database = await openDatabase(engine);
    const options = { delivery: 'queued' } as const;
    observer = await startApp({ database, options: { ...options, worker: false } });
    return startApp({
      database,
      options: {
        ...options,
        worker: { concurrency: 1, pollSeconds: 300 },
        senders: {
          default: {
            backend: functionalSenderBackend((delivery) => {
              begun.push(delivery.token);
              return send(delivery);
            }),
          },
        },
        ...more,
      },
    });
  };
  const rows = (): Promise<QueuedRow[]> =>
    observer.dataSource.query('SELECT * FROM two_factor_delivery');
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await sleep(10);
  };

  it('waits for the message that is being sent, and sends no other', async () => {
    const app = await start(() => new Promise<void>((resolve) => ends.push(resolve)));
    const events: string[] = [];
    app.app.get(TwoFactorEvents, { strict: false }).subscribe(({ type }) => events.push(type));
    await app.twoFactor.request({ token: 'ann@example.com' });
    await until(() => begun.length === 1);
    await app.twoFactor.request({ token: 'bob@example.com' });
    let isClosed = false;
    const closed = app.app.close().then(() => (isClosed = true));
    // The second message is given back at once; the first one is still being sent.
    while ((await rows()).every(({ due_at: dueAt }) => Number(dueAt) > app.clock.now())) {
      await sleep(10);
    }
    expect(isClosed).toBe(false);
    ends.shift()!();
    await closed;

    expect(begun).toEqual(['ann@example.com']);
    // Subscribers learn of it, although the application is stopping.
    expect(events).toEqual(['created', 'created', 'sent']);
    expect(await rows()).toMatchObject([{ claims: 1, tries: 0, is_charged: 1 }]);
    // Another instance sends it.
    // Its clock began earlier, by the time that the application took to start.
    observer.clock.advance(Math.ceil((app.clock.now() - observer.clock.now()) / 1_000) + 1);
    expect(await observer.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    expect(observer.inbox.deliveries.map(({ token }) => token)).toEqual(['bob@example.com']);
  });

  it('waits no longer than sendTimeoutMs for a provider that does not answer', async () => {
    const app = await start(() => new Promise<void>(() => undefined), { sendTimeoutMs: 200 });
    await app.twoFactor.request({ token: 'ann@example.com' });
    await until(() => begun.length === 1);
    await app.app.close();

    // Its call counts as a try, and is repeated later.
    expect(await rows()).toMatchObject([{ claims: 1, tries: 1 }]);
  });

  it('gives a claim back that was on its way when it began to stop', async () => {
    const app = await start(() => undefined, { worker: false });
    await app.twoFactor.request({ token: 'ann@example.com' });
    const store = app.app.get(DeliveryStore, { strict: false });
    const claim = store.claim.bind(store);
    const worker = app.app.get(DeliveryWorker, { strict: false });
    let drained: Promise<void> | undefined;
    vi.spyOn(store, 'claim').mockImplementation(async (row) => {
      const claimed = await claim(row);
      drained ??= worker.beforeApplicationShutdown();
      return claimed;
    });
    await app.app.get(DeliveryService, { strict: false }).sweep();
    await drained;
    await app.app.close();

    expect(begun).toEqual([]);
    expect(await rows()).toMatchObject([
      { claims: 1, tries: 0, due_at: expect.toSatisfy((at) => Number(at) <= app.clock.now()) },
    ]);
  });

  it('claims nothing once it has begun to stop', async () => {
    const app = await start(() => new Promise<void>((resolve) => ends.push(resolve)));
    await app.twoFactor.request({ token: 'ann@example.com' });
    await until(() => begun.length === 1);
    await observer.twoFactor.request({ token: 'bob@example.com' });
    const drained = app.app.get(DeliveryWorker, { strict: false }).beforeApplicationShutdown();
    const claims = vi.spyOn(DeliveryStore.prototype, 'claim');

    expect(await app.app.get(DeliveryService, { strict: false }).sweep()).toBe(0);
    expect(claims).not.toHaveBeenCalled();
    ends.shift()!();
    await drained;
    await app.app.close();
    expect(begun).toEqual(['ann@example.com']);
    expect(await rows()).toMatchObject([{ claims: 0 }]);
  });

  it('takes nothing from the instance that has claimed its message after the lease', async () => {
    const app = await start(() => new Promise<void>((resolve) => ends.push(resolve)));
    await app.twoFactor.request({ token: 'ann@example.com' });
    await until(() => begun.length === 1);
    await app.twoFactor.request({ token: 'bob@example.com' });
    // Another instance holds both messages by now.
    await observer.dataSource.query(
      'UPDATE two_factor_delivery SET claims = 2, due_at = due_at + 1000',
    );
    const before = await rows();
    const drained = app.app.get(DeliveryWorker, { strict: false }).beforeApplicationShutdown();
    ends.shift()!();
    await drained;
    await app.app.close();

    expect(begun).toEqual(['ann@example.com']);
    expect(before).toHaveLength(2);
    expect(await rows()).toEqual(before);
  });
});
