// An application uses a proof in a transaction that takes its time, and a purge runs meanwhile: it keeps no other person waiting.
import { describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { factorsOf } from '../support/authenticator.js';
import { rememberDevice } from '../support/devices.js';
import { servers } from '../support/engines.js';
import { openApplications } from '../support/listed-statements.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { waitForEndOrLock, waitForLock } from '../support/wait-for-lock.js';

// Long enough for a busy machine: only what waits for the transaction takes that long.
const TIMEOUT_MS = 10_000;
/** After which an enrolment that was never activated has ended. */
const FIFTEEN_MINUTES = 900;

const open = openApplications();

describe.each(servers)('A purge beside an uncommitted use on %s', (engine) => {
  const start = async (): Promise<TestApp> => {
    const options = {
      methods: PASSKEY_METHODS,
      limits: false,
      databaseTimeoutMs: TIMEOUT_MS,
    } as const;
    const test = await startApp({ engine, options });
    open.push(test);
    return test;
  };

  const confirm = async (test: TestApp, subject: string, token: string): Promise<boolean> => {
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['device'] });
    return (await test.confirmer.confirm(id, { method: 'device', token }))[1];
  };

  /** A stranger with a device, an owner whose younger device has confirmed a proof, and enrolments that have ended around them. */
  async function people(test: TestApp): Promise<{ stranger: string; stolen: string }> {
    const enrol = async (subject: string): Promise<void> => {
      await factorsOf(test).enrol({ subject, method: 'totp' });
      test.clock.advance(1);
    };
    await enrol('ended-first');
    const { token: stranger } = await rememberDevice(test, 'stranger');
    test.clock.advance(1);
    await enrol('ended-second');
    const { token } = await rememberDevice(test, 'owner');
    test.clock.advance(1);
    await enrol('ended-third');
    test.clock.advance(FIFTEEN_MINUTES);
    const { id } = await test.confirmer.makeConfirmation({ subject: 'owner', methods: ['device'] });
    await test.confirmer.confirm(id, { method: 'device', token });
    return { stranger, stolen: id };
  }

  /** Uses the proof in a transaction that stays open until the given work is done. */
  async function whileUsing(
    { confirmer, dataSource }: TestApp,
    proof: string,
    work: () => Promise<void>,
  ): Promise<void> {
    await dataSource.transaction(async (manager) => {
      expect(await confirmer.use(proof, { subject: 'owner', manager })).toBe(true);
      await work();
    });
  }

  const pendingOf = ({ dataSource }: TestApp): Promise<number> =>
    dataSource.getRepository(FactorRecord).countBy({ method: 'totp' });

  it('deletes what has ended, and lets a stranger with an older factor confirm', async () => {
    const test = await start();
    const { stranger, stolen } = await people(test);

    await whileUsing(test, stolen, async () => {
      const purging = test.confirmer.purge();
      await waitForEndOrLock(test, purging);
      expect(await confirm(test, 'stranger', stranger)).toBe(true);
      await purging;
      expect(await pendingOf(test)).toBe(0);
      // Nothing has ended now.
      await test.confirmer.purge();
      expect(await confirm(test, 'stranger', stranger)).toBe(true);
    });
  });

  it('that takes all that has ended until now lets a stranger confirm by an older code', async () => {
    const test = await start();
    const { stolen } = await people(test);
    const { confirmer } = test;
    await confirmer.makeConfirmation({ subject: 'ended' });
    test.clock.advance(FIFTEEN_MINUTES - 1);
    // Both are alive, and the older one stands before that of the owner.
    const { id, code } = await confirmer.makeConfirmation({
      subject: 'stranger',
      isConfirmed: false,
    });
    test.clock.advance(1);
    const proof = await confirmer.makeConfirmation({ subject: 'owner', isConfirmed: true });

    await whileUsing(test, proof.id, async () => {
      const purging = confirmer.purge({ olderThan: new Date(test.clock.now()) });
      await waitForEndOrLock(test, purging);
      expect((await confirmer.confirm(id, code!))[1]).toBe(true);
      // The two that were confirmed for devices, their use, the proof by a device, and the one that was never confirmed.
      expect(await purging).toBeGreaterThan(0);
    });
    expect((await confirmer.check(stolen))[0]).toBeNull();
  });

  it('waits in the naive twin, and keeps the stranger waiting, where InnoDB locks what a DELETE looks at', async () => {
    const test = await start();
    const { stranger, stolen } = await people(test);
    const before = test.clock.now() - FIFTEEN_MINUTES * 1_000;
    const bind = (sql: string): string => (engine === 'postgres' ? sql : sql.replace('$1', '?'));

    let answer: Promise<boolean> | undefined;
    await whileUsing(test, stolen, async () => {
      const purging = test.dataSource.query(
        bind(
          `DELETE FROM two_factor_factor WHERE activated_at IS NULL AND method <> 'subject' AND created_at < $1`,
        ),
        [before],
      );
      await waitForEndOrLock(test, purging);
      answer = confirm(test, 'stranger', stranger);
      answer.catch(() => undefined);
      if (engine === 'postgres') expect(await answer).toBe(true);
      // Both wait until the transaction ends, which it does after this.
      else await waitForLock(test, 2);
    });
    expect(await answer).toBe(true);
  });
});
