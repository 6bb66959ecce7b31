// kill -9 between the two writes of a settlement on SQLite: the confirmation and the factor have both changed, or neither.
import { once } from 'node:events';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, FactorRecord, type MethodResponse } from '../../../lib/index.js';
import { enrolApp, METHODS } from '../../support/authenticator.js';
import { engines } from '../../support/engines.js';
import { startApp, type TestApp } from '../../support/test-app.js';
import { expectNoStrayRejections } from './behind-proxy.js';
import type { FactorOrder } from './factor-worker.js';
import { startWorker } from './start-worker.js';

expectNoStrayRejections();

const CASES = [
  { killedAt: 'factor', method: 'totp', isDone: false },
  { killedAt: 'factor', method: 'recovery', isDone: false },
  { killedAt: 'commit', method: 'totp', isDone: false },
  { killedAt: 'commit', method: 'recovery', isDone: false },
  { killedAt: 'end', method: 'totp', isDone: true },
  { killedAt: 'end', method: 'recovery', isDone: true },
] as const;

describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'A process that is killed -9 while it settles on %s',
  (engine) => {
    let test: TestApp;

    beforeAll(async () => {
      test = await startApp({ engine, options: { methods: METHODS, databaseTimeoutMs: 60_000 } });
    });
    afterAll(() => test.close());

    it.each(CASES)(
      'at the statement "$killedAt" of $method has confirmed and has spent the code: $isDone',
      async ({ killedAt, method, isDone }) => {
        const subject = `${killedAt}-${method}`;
        const { app, factorId, recoveryCodes } = await enrolApp(test, subject);
        const { id } = await test.confirmer.makeConfirmation({ subject, methods: [method] });
        const code = method === 'totp' ? app.code() : recoveryCodes[0]!;
        const response: MethodResponse = { method, code };
        const { child } = await startWorker('factor-worker.ts', { test });
        const killed = once(child, 'exit');
        // Nothing may follow the commit: the process has answered then, and is killed from here.
        child.once('message', () => child.kill('SIGKILL'));

        child.send({ id, killedAt, responses: [response] } satisfies FactorOrder);

        expect(await killed).toEqual([null, 'SIGKILL']);
        const { dataSource } = test;
        const { confirmedAt } = await dataSource
          .getRepository(ConfirmationRecord)
          .findOneByOrFail({ id });
        const factors = dataSource.getRepository(FactorRecord);
        const { counter } = await factors.findOneByOrFail({ id: factorId });
        const left = await factors.countBy({ subject, method: 'recovery' });
        const step = Math.floor(test.clock.now() / 30_000);
        const isSpent = method === 'totp' ? counter === step : left === 9;
        expect([confirmedAt !== null, isSpent]).toEqual([isDone, isDone]);
        // What was not done can be done with the same response.
        expect((await test.confirmer.confirm(id, response))[1]).toBe(!isDone);
      },
    );
  },
);
