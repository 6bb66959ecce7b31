// A provider that fails and processes that are killed must cost no person a message.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DeliveryService } from '../../lib/index.js';
import { IS_LONG } from '../rounds.js';
import { servers } from '../support/engines.js';
import { NaiveDeliveries } from '../support/naive-deliveries.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';
import { backlogOf } from './queue/backlog.js';
import { bundleWorker } from './queue/bundle-worker.js';
import { fastClock } from './queue/fast-clock.js';
import { Provider, type HeldCall } from './queue/provider.js';
import { startQueueWorker, storm, type StartedWorker } from './queue/storm.js';
import type { Report } from './queue/worker.js';

const TOKEN = 'ann@example.com';
const REQUEST = { token: TOKEN, subject: 'ann', purpose: 'login' } as const;

describe.each(servers)('The queue on %s', (engine) => {
  const MESSAGES = engine === 'postgres' || IS_LONG ? 500 : 200;
  let worker: string;
  let test: TestApp;
  let deliveries: DeliveryService;
  let naive: NaiveDeliveries;
  let startedAt: number;

  beforeAll(async () => {
    startedAt = Date.now();
    worker = await bundleWorker();
    test = await startApp({
      engine,
      options: {
        delivery: 'queued',
        worker: false,
        clock: fastClock(startedAt),
        sendTimeoutMs: 4_000,
      },
    });
    deliveries = test.app.get(DeliveryService, { strict: false });
    naive = new NaiveDeliveries(test.dataSource, () => fastClock(startedAt).now());
  });
  afterAll(async () => {
    await test.close();
    await rm(dirname(worker), { recursive: true });
  });

  const row = async (id: string): Promise<Record<string, unknown> | undefined> => {
    const rows: Record<string, unknown>[] = await test.dataSource.query(
      `SELECT * FROM two_factor_delivery WHERE confirmation = '${id}'`,
    );
    return rows[0];
  };
  const backlog = (now?: number, nextLookMs?: number): ReturnType<typeof backlogOf> =>
    backlogOf(test.dataSource, now, nextLookMs);
  const endLease = (): Promise<unknown> =>
    test.dataSource.query('UPDATE two_factor_delivery SET due_at = 1');

  /** A worker in a call of the provider, whose answer the test holds back. */
  const stoppedInItsCall = async (
    provider: Provider,
  ): Promise<HeldCall & { worker: StartedWorker; reports: Report[]; swept: Promise<unknown> }> => {
    const other = await startQueueWorker(
      { worker, database: test.database.options, secret: SECRET },
      provider,
      startedAt,
      { WORKER: 'off' },
    );
    const held = provider.holdNext();
    const reports: Report[] = [];
    const swept = new Promise<void>((resolve) => {
      other.child.on('message', (report: Report) => {
        reports.push(report);
        if (report.is === 'swept') resolve();
      });
    });
    other.order({ do: 'sweep', number: 1 });
    const call = await held;
    other.child.kill('SIGSTOP');
    return { ...call, worker: other, reports, swept };
  };

  it('sends within a sweep what was committed by a process that died after the commit', async () => {
    const provider = await Provider.start({ fails: () => false, latencyMs: () => 60_000 });
    const dying = await startQueueWorker(
      { worker, database: test.database.options, secret: SECRET },
      provider,
      startedAt,
    );
    const requested = once(dying.child, 'message');
    dying.order({ do: 'request', token: TOKEN });
    await requested;
    dying.child.kill('SIGKILL');
    await once(dying.child, 'exit');
    await endLease();

    expect(await deliveries.sweep()).toBe(1);
    expect(test.inbox.deliveries.map(({ token }) => token)).toEqual([TOKEN]);
    await provider.close();
    test.inbox.deliveries.length = 0;
  });

  it('takes nothing from a worker that was paused for longer than its lease', async () => {
    const provider = await Provider.start({ fails: () => false, latencyMs: () => 0 });
    const { id } = await test.twoFactor.request(REQUEST);
    const stopped = await stoppedInItsCall(provider);
    await endLease();
    // Another worker claims the message, and its provider does not take it.
    test.inbox.failNext(new Error('The provider does not answer.'));
    expect(await deliveries.sweep()).toBe(1);
    const after = await row(id);
    expect(after).toMatchObject({ claims: 2, tries: 1 });

    stopped.accept();
    stopped.worker.child.kill('SIGCONT');
    await stopped.swept;

    expect(await row(id)).toEqual(after);
    // The naive twin deletes by the key alone.
    await naive.remove(id, 1);
    expect(await row(id)).toBeUndefined();
    stopped.worker.child.kill('SIGKILL');
    await provider.close();
    test.inbox.deliveries.length = 0;
  });

  it('lets a worker that was paused free no pending slot and raise no event when its provider refuses the recipient then', async () => {
    const provider = await Provider.start({ fails: () => false, latencyMs: () => 0 });
    const slots = (): Promise<unknown[]> =>
      test.dataSource.query('SELECT id, amount, ends_at, owner FROM two_factor_limit ORDER BY id');
    const refusedBy = async (isHeld: boolean): Promise<[Report['is'][], boolean]> => {
      // Made without a message, so that it holds one of the slots of its subject.
      const state = await test.confirmer.makeConfirmation({
        subject: `bea-${isHeld}`,
        purpose: 'login',
      });
      await test.sender.send(null, TOKEN, state);
      const stopped = await stoppedInItsCall(provider);
      if (!isHeld) {
        await endLease();
        // Another worker claims the message, and its provider accepts it.
        expect(await deliveries.sweep()).toBe(1);
      }
      const before = await slots();
      stopped.refuse();
      stopped.worker.child.kill('SIGCONT');
      await stopped.swept;
      const isUnchanged = isDeepStrictEqual(await slots(), before);
      stopped.worker.child.kill('SIGKILL');
      return [stopped.reports.map(({ is }) => is), isUnchanged];
    };

    expect(await refusedBy(false)).toEqual([['swept'], true]);
    // Beside it, a worker that holds the message all the time.
    expect(await refusedBy(true)).toEqual([['refused-for-good', 'swept'], false]);
    await provider.close();
    await test.dataSource.query('DELETE FROM two_factor_delivery');
    test.inbox.deliveries.length = 0;
  });

  it('gives each message to one of several workers, where the naive twin gives it to each', async () => {
    const provider = await Provider.start({ fails: () => false, latencyMs: () => 0 });
    const others = await Promise.all(
      Array.from({ length: 2 }, () =>
        startQueueWorker(
          { worker, database: test.database.options, secret: SECRET },
          provider,
          startedAt,
          { WORKER: 'off' },
        ),
      ),
    );
    for (let index = 0; index < 60; index += 1) {
      await test.twoFactor.request({ ...REQUEST, token: `user${index}@example.com` });
    }
    await sleep(10);
    const swept = others.map(({ child }) => once(child, 'message'));
    for (const { order } of others) order({ do: 'sweep', number: 1 });
    await Promise.all([...swept, deliveries.sweep()]);

    const tokens = [...provider.calls, ...test.inbox.deliveries].map(({ token }) => token);
    expect(tokens).toHaveLength(60);
    expect(new Set(tokens).size).toBe(60);
    expect(await backlog()).toMatchObject({ waiting: 0, failed: [] });

    const { id } = await test.twoFactor.request(REQUEST);
    await sleep(10);
    const sent = (await Promise.all([naive.sweep(), naive.sweep()])).flat();
    expect(sent).toEqual([id, id]);
    for (const { child } of others) child.kill('SIGKILL');
    await provider.close();
    await test.dataSource.query('DELETE FROM two_factor_delivery');
    test.inbox.deliveries.length = 0;
  });

  it('delivers all messages while the provider fails 30 % of its calls and a worker dies every second', async () => {
    const result = await storm({
      worker,
      database: test.database.options,
      secret: SECRET,
      messages: MESSAGES,
      workers: 6,
      replaces: false,
      overSeconds: 5,
      // Never the third call of a message, after which it would be given up.
      behaviour: {
        fails: (_, failures) => failures < 2 && Math.random() < 0.3,
        latencyMs: () => 5 + Math.random() * 45,
      },
      backlog,
      timeoutMs: 290_000,
    });
    process.stdout.write(`The storm on ${engine}: ${JSON.stringify(result)}\n`);

    expect(result).toMatchObject({ givenUp: 0, lost: [], unexplained: [] });
    // On a machine that is very busy a code may expire before its message leaves, because the clock runs fast.
    expect(result.arrived + result.expired).toBe(MESSAGES);
    expect(result.kills).toBeGreaterThan(2);
    expect(result.refusedCalls).toBeGreaterThan(MESSAGES * 0.15);
  }, 300_000);
});
