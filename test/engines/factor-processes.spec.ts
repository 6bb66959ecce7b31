// One code of an app, tried on 40 confirmations by two processes at once.
import { describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { sharedEngines, winners } from '../support/instances.js';
import { NaiveFactors } from '../support/naive-factors.js';
import { startApp } from '../support/test-app.js';
import type { FactorOrder } from './faults/factor-worker.js';
import { startWorker } from './faults/start-worker.js';

const PROCESSES = 2;
const CONFIRMATIONS = 40;

describe.each(sharedEngines)('One code of an app in two processes on %s', (engine) => {
  it('confirms one of 40 confirmations, and several in the naive twin', async () => {
    const limits = { pending: false, requestsPerRequester: false } as const;
    const options = { methods: METHODS, databaseTimeoutMs: 60_000, limits };
    const test = await startApp({ engine, options });
    const { subject, app, factorId } = await enrolApp(test, 'ann');
    const made = (): Promise<string[]> =>
      Promise.all(
        Array.from({ length: CONFIRMATIONS }, async () => {
          const given = { subject, methods: ['totp'] } as const;
          return (await test.confirmer.makeConfirmation(given)).id;
        }),
      );
    const ids = await made();
    const response = { method: 'totp', code: app.code() } as const;
    const workers = await Promise.all(
      Array.from({ length: PROCESSES }, () => startWorker('factor-worker.ts', { test })),
    );

    const counts = await Promise.all(
      workers.map(
        ({ child }, at) =>
          new Promise<number>((resolve) => {
            const own = ids.filter((_, index) => index % PROCESSES === at);
            let [answered, confirmed] = [0, 0];
            child.on('message', (count: number) => {
              [answered, confirmed] = [answered + 1, confirmed + count];
              if (answered === own.length) resolve(confirmed);
            });
            for (const id of own) child.send({ id, responses: [response] } satisfies FactorOrder);
          }),
      ),
    );

    for (const { child } of workers) child.kill();
    expect(counts.toSorted((one, other) => one - other)).toEqual([0, 1]);
    const states = await Promise.all(ids.map((id) => test.confirmer.check(id)));
    expect(states.filter(([state]) => state?.status === 'confirmed')).toHaveLength(1);
    const step = Math.floor(test.clock.now() / 30_000);
    const factors = test.dataSource.getRepository(FactorRecord);
    expect(await factors.findOneByOrFail({ id: factorId })).toMatchObject({ counter: step });

    const naive = new NaiveFactors(test.dataSource);
    const naively = (await made()).map((id) => () => naive.confirm(id, factorId, step + 1));
    expect(await winners(naively)).toBeGreaterThan(1);
    await test.close();
  });
});
