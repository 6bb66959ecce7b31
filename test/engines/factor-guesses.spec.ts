// Guesses at a code and at an app of one confirmation, from several processes at once.
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { ConfirmationRecord, LimitService } from '../../lib/index.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { WRONG_CODE } from '../support/canaries.js';
import { rememberDevice } from '../support/devices.js';
import { IS_LONG } from '../rounds.js';
import { engines } from '../support/engines.js';
import { NaiveConfirmer } from '../support/naive-confirmer.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp } from '../support/test-app.js';
import type { FactorOrder } from './faults/factor-worker.js';
import { startWorker } from './faults/start-worker.js';

const PROCESSES = 8;
const GUESSES = 200;
const LIMIT = 5;
/** Wrong codes of one app in a row, over all confirmations of its subject. */
const LOCK_AFTER = 10;
/** Eight processes take long to start on a machine that others use. */
const LONG = { timeout: 300_000 };
/** A database of sql.js belongs to one process. */
const shared = engines.filter((engine) => engine !== 'sqljs');

describe.each(shared)('Guesses from several processes on %s', (engine) => {
  it('are compared five times for one confirmation, over its code and its app', LONG, async () => {
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

  it(
    'stop at the count of the app, and leave passkey, recovery code and device usable, which give no new tries',
    LONG,
    async () => {
      // The first test has eight processes on each server. `.ci/run` starts fewer of them here, because a start takes most of the time.
      const processes = engine === 'postgres' || IS_LONG ? PROCESSES : 2;
      const limits = { pending: false } as const;
      const options = { methods: PASSKEY_METHODS, databaseTimeoutMs: 60_000, limits };
      const test = await startApp({ engine, options });
      await installAttemptTrigger(test.dataSource);
      const { subject, app, recoveryCodes } = await enrolApp(test, 'ann');
      const { authenticator } = await enrolPasskey(test, subject);
      const { token } = await rememberDevice(test, subject);
      const make = async (method: 'device' | 'passkey' | 'recovery' | 'totp'): Promise<string> =>
        (await test.confirmer.makeConfirmation({ subject, methods: [method] })).id;
      const byOthers = async (code: string): Promise<boolean[]> => {
        const [passkey, recovery, device] = [
          await make('passkey'),
          await make('recovery'),
          await make('device'),
        ];
        const challenge = await test.confirmer.challenge(passkey, { method: 'passkey' });
        const done = [
          await test.confirmer.confirm(passkey, {
            method: 'passkey',
            response: authenticator.get(challenge),
          }),
          await test.confirmer.confirm(recovery, { method: 'recovery', code }),
          await test.confirmer.confirm(device, { method: 'device', token }),
        ];
        return done.map(([, isDone]) => isDone);
      };
      const guessed = [await make('totp'), await make('totp'), await make('totp')];
      const wrong = { method: 'totp', code: app.wrongCode() } as const;
      const workers = await Promise.all(
        Array.from({ length: processes }, () => startWorker('factor-worker.ts', { test })),
      );
      const each = Math.ceil(GUESSES / processes / guessed.length);
      const responses = Array.from({ length: each }, () => wrong);

      const guessing = Promise.all(
        workers.map(
          ({ child }) =>
            new Promise<number>((resolve) => {
              let [answered, confirmed] = [0, 0];
              child.on('message', (count: number) => {
                [answered, confirmed] = [answered + 1, confirmed + count];
                if (answered === guessed.length) resolve(confirmed);
              });
              for (const id of guessed) child.send({ id, responses } satisfies FactorOrder);
            }),
        ),
      );
      const meanwhile = await byOthers(recoveryCodes[0]!);
      const confirmed = await guessing;

      for (const { child } of workers) child.kill();
      expect(confirmed).toEqual(Array.from({ length: processes }, () => 0));
      expect(meanwhile).toEqual([true, true, true]);
      const attempts = await Promise.all(guessed.map((id) => loggedAttempts(test.dataSource, id)));
      expect(Math.max(...attempts)).toBeLessThanOrEqual(LIMIT);
      const compared = attempts.reduce((sum, count) => sum + count, 0);
      expect(compared).toBeLessThanOrEqual(LOCK_AFTER);
      expect(compared).toBeGreaterThan(LIMIT);
      const counts = test.app.get(LimitService, { strict: false });
      const failures = async (): Promise<number> =>
        (await counts.failures({ subject, method: 'totp' })).count;
      expect(await failures()).toBe(LOCK_AFTER);
      expect(await byOthers(recoveryCodes[1]!)).toEqual([true, true, true]);
      expect(await failures()).toBe(LOCK_AFTER);
      const late = { method: 'totp', code: app.code() } as const;
      await expect(test.confirmer.confirm(await make('totp'), late)).rejects.toMatchObject({
        code: 'too-many-requests',
      });
      await test.close();
    },
  );
});
