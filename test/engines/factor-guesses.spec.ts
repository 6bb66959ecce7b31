// Guesses at a code and at an app of one confirmation, from eight processes at once.
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { ConfirmationRecord } from '../../lib/index.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { startApp } from '../support/test-app.js';
import type { FactorOrder } from './faults/factor-worker.js';
import { startWorker } from './faults/start-worker.js';

const PROCESSES = 8;
const GUESSES = 200;
const LIMIT = 5;
/** A database of sql.js belongs to one process. */
const shared = engines.filter((engine) => engine !== 'sqljs');

describe.each(shared)('Guesses from eight processes on %s', (engine) => {
  it('are compared five times for one confirmation, over its code and its app', async () => {
    const options = { methods: METHODS, databaseTimeoutMs: 60_000 };
    const test = await startApp({ engine, options });
    await installAttemptTrigger(test.dataSource);
    const { subject, app } = await enrolApp(test, 'ann');
    const methods = ['totp', 'code'] as const;
    const { id } = await test.confirmer.makeConfirmation({ subject, methods });
    const code = app.wrongCode();
    const responses = Array.from({ length: GUESSES / PROCESSES }, (_, index) =>
      index % 2 === 0 ? WRONG_CODE : ({ method: 'totp', code } as const),
    );
    const workers = await Promise.all(
      Array.from({ length: PROCESSES }, () => startWorker('factor-worker.ts', { test })),
    );

    const confirmed = await Promise.all(
      workers.map(async ({ child }) => {
        const answer = once(child, 'message') as Promise<[number]>;
        child.send({ id, responses } satisfies FactorOrder);
        return (await answer)[0];
      }),
    );

    for (const { child } of workers) child.kill();
    expect(confirmed).toEqual(Array.from({ length: PROCESSES }, () => 0));
    expect(await loggedAttempts(test.dataSource, id)).toBe(LIMIT);
    const [state] = await test.confirmer.confirm(id, { method: 'totp', code: app.code() });
    expect(state?.status).toBe('locked');
    // The naive twin reads, compares and writes.
    const other = await test.confirmer.makeConfirmation({ subject, methods });
    const twin = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));
    await Promise.all(Array.from({ length: GUESSES }, () => twin.confirm(other.id, false)));
    expect(twin.comparisons).toBeGreaterThan(LIMIT);
    await test.close();
  });
});
