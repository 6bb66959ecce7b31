// The worker of an application sends what was committed without waiting for a sweep, and gives back at shutdown what it has not begun.
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { gate } from '../support/gate.js';
import { deliveriesOf, rowsOf, startQueued } from '../support/queued-messages.js';
import { startApp, type TestApp } from '../support/test-app.js';

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 2_400; round += 1) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error('It did not happen within a minute.');
}

describe.each(engines)('Queued messages on %s', (engine) => {
  it('are sent by the worker right after the commit, with two more statements at most', async () => {
    const inline = await startApp({ engine, options: { limits: {} } });
    const queued = await startQueued(engine, { limits: {}, worker: { pollSeconds: 300 } });
    const cycle = async (app: TestApp): Promise<number> => {
      const input = { token: 'ann@example.com', subject: 'ann', purpose: 'login' };
      const statements = await app.log.during(async () => {
        const { id } = await app.twoFactor.request(input);
        await eventually(() => app.inbox.deliveries.length === 1);
        await app.confirmer.confirm(id, WRONG_CODE);
        await app.confirmer.confirm(id, app.inbox.lastCode);
        await app.confirmer.use(id, { purpose: 'login', subject: 'ann' });
        if (app === queued) await eventually(async () => (await rowsOf(app)).length === 0);
      });
      return statements.filter(({ sql }) => !sql.startsWith('SELECT * FROM two_factor_delivery'))
        .length;
    };
    const counted = { inline: await cycle(inline), queued: await cycle(queued) };
    await Promise.all([inline.close(), queued.close()]);

    process.stdout.write(`Statements of a cycle on ${engine}: ${JSON.stringify(counted)}\n`);
    expect(counted.queued - counted.inline).toBe(engine === 'postgres' ? 1 : 2);
  });

  it('are given back at shutdown when no call has begun', async () => {
    const provider = gate();
    let begun = 0;
    const send = (): Promise<void> => {
      begun += 1;
      return provider.opened;
    };
    const slow = await startQueued(engine, {
      worker: { concurrency: 1, pollSeconds: 300 },
      senders: { default: { backend: () => send } },
    });
    for (const name of ['ann', 'bob', 'eve']) {
      await slow.twoFactor.request({ token: `${name}@example.com` });
    }
    await eventually(() => begun === 1);
    const { database, clock } = slow;
    const closed = slow.app.close();
    // The others are due again, while the first message is still being sent.
    await eventually(async () => {
      const due = (await rowsOf(slow)).filter(({ due_at: dueAt }) => Number(dueAt) <= clock.now());
      return due.length === 2;
    });
    provider.open();
    await closed;
    expect(begun).toBe(1);
    const next = await startApp({
      engine,
      ...(engine === 'sqljs' ? {} : { database }),
      options: { delivery: 'queued', worker: false },
    });
    if (engine !== 'sqljs') {
      expect(await rowsOf(next)).toMatchObject([
        { is_charged: 1, tries: 0 },
        { is_charged: 1, tries: 0 },
      ]);
      next.clock.advance(1);
      expect(await deliveriesOf(next).sweep()).toBe(2);
    }
    await next.app.close();
    await database.drop();
  });
});
