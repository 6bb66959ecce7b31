// A message that was committed must be sent although its process dies, by the round of another worker and without a call of the
// application; also on SQLite, where both processes share a file.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';
import { backlogOf } from './queue/backlog.js';
import { bundleWorker } from './queue/bundle-worker.js';
import { SPEED } from './queue/fast-clock.js';
import { Provider } from './queue/provider.js';
import { startQueueWorker } from './queue/storm.js';
import type { Report } from './queue/worker.js';

/** Not one of the others: a repeated request is answered with the confirmation of the first. */
const DORA = 'dora@example.com';
const TOKENS = ['ann@example.com', 'bea@example.com', 'cleo@example.com'];
/** `sendTimeoutMs` of the workers, and the margin for their clocks: after it a message of a dead process is due. */
const LEASE_MS = 34_000;

// Two processes cannot share a database in memory.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'A process that dies, on %s',
  (engine) => {
    let worker: string;
    let test: TestApp;

    beforeAll(async () => {
      worker = await bundleWorker();
      test = await startApp({ engine, options: { delivery: 'queued', worker: false } });
    });
    afterAll(async () => {
      await test.close();
      await rm(dirname(worker), { recursive: true });
    });

    it('after the commit has its messages sent, once each, by a round of another one', async () => {
      const begun = Date.now();
      // The first answers are never given, so that the process dies while it sends.
      let isSilent = true;
      const provider = await Provider.start({
        fails: () => false,
        latencyMs: () => (isSilent ? 60_000 : 0),
      });
      const input = { worker, database: test.database.options, secret: SECRET };
      const requested: string[] = [];
      const dying = await startQueueWorker(input, provider, begun, {}, (report: Report) => {
        if (report.is === 'requested') requested.push(report.token);
      });
      for (const token of TOKENS) dying.order({ do: 'request', token });
      while (requested.length < TOKENS.length || provider.calls.length < TOKENS.length)
        await sleep(20);
      dying.child.kill('SIGKILL');
      await once(dying.child, 'exit');
      isSilent = false;
      expect(await backlogOf(test.dataSource)).toMatchObject({
        waiting: TOKENS.length,
        failed: [],
      });

      // It gets no order: its own rounds, every second, find what is due.
      const other = await startQueueWorker(input, provider, begun);
      const sent = (): string[] =>
        provider.calls.filter(({ pid }) => pid === other.child.pid).map(({ token }) => token);
      while ((await backlogOf(test.dataSource)).waiting > 0) await sleep(50);

      expect(sent().toSorted()).toEqual(TOKENS);
      // Not before the lease of the dead process ends: it could be alive.
      const first = provider.calls.find(({ pid }) => pid === other.child.pid)!;
      expect((first.at - begun) * SPEED).toBeGreaterThanOrEqual(LEASE_MS);
      other.child.kill('SIGKILL');
      await once(other.child, 'exit');
      await provider.close();
    });

    it('after the commit of the application has its message sent by the next round of another one', async () => {
      const begun = Date.now();
      const provider = await Provider.start({ fails: () => false, latencyMs: () => 0 });
      const input = { worker, database: test.database.options, secret: SECRET };
      const dying = await startQueueWorker(input, provider, begun);
      dying.order({ do: 'commit-and-die', token: DORA });
      await once(dying.child, 'exit');
      expect(dying.child.signalCode).toBe('SIGKILL');
      expect(provider.calls).toEqual([]);
      expect(await backlogOf(test.dataSource)).toMatchObject({ waiting: 1, failed: [] });

      // Nothing was claimed, so that no lease has to end: one round is enough.
      const other = await startQueueWorker(input, provider, begun, { WORKER: 'off' });
      const swept = once(other.child, 'message');
      other.order({ do: 'sweep', number: 1 });
      await swept;

      expect(provider.calls.map(({ token, pid }) => [token, pid])).toEqual([
        [DORA, other.child.pid],
      ]);
      expect(await backlogOf(test.dataSource)).toMatchObject({ waiting: 0, failed: [] });
      other.child.kill('SIGKILL');
      await once(other.child, 'exit');
      await provider.close();
    });
  },
);
